"""Key files of receivers."""

from pathlib import Path

import pytest

from gateway.delivery.sia import keys
from protocol.tomlfile import FileMistakes


def file(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "police.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("size", [16, 24, 32])
def test_a_key_is_digits_or_text(tmp_path: Path, size: int) -> None:
    key = bytes(range(65, 65 + size))
    assert keys.read(file(tmp_path, key.hex() + "\n")) == key
    assert keys.read(file(tmp_path, f"text:{key.decode()}\n")) == key


@pytest.mark.parametrize("text", ["", "0123", "text:too short", "x" * 32, "ắ" * 16, "0" * 34, "0" * 5000])
def test_a_file_without_a_key_is_refused_without_a_word_of_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(FileMistakes, match="expected 32, 48 or 64 hexadecimal digits") as caught:
        keys.read(file(tmp_path, text))
    assert text not in str(caught.value) or not text


def test_a_key_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileMistakes, match=r"expected a file that not everybody on this machine may read, got mode 644 \(chmod 600\)"):
        keys.read(file(tmp_path, "0" * 32, 0o644))


def test_a_missing_file_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(FileMistakes, match="expected a file with the key of a receiver, got: No such file"):
        keys.read(tmp_path / "none")
