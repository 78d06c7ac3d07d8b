"""The bundle: the same sources, the same bytes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firmware.bench import bundle, kept


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken from the bundles that are kept."""
    monkeypatch.delenv(kept.FOLDER)


@pytest.mark.usefixtures("anew")
def test_bundle_is_the_same_wherever_it_is_built(tmp_path: Path, rom: Path) -> None:
    stale = tmp_path / "agent" / "gone.mpy"
    stale.parent.mkdir()
    stale.write_bytes(b"left by an older build")
    sizes = bundle.build(tmp_path)
    assert contents(tmp_path) == {name: data for name, data in contents(rom.parent).items() if name != "fakes.romfs"}
    assert {"main", "boot", "pins", "resident", "agent/groundwork", "kinds/household", "drivers/battery"} <= set(sizes)
    assert not {"agent/agent", "protocol/wire", "protocol/messages"} & set(sizes)
    assert not any(str(bundle.ROOT).encode() in data for data in contents(tmp_path).values())


@pytest.mark.usefixtures("anew")
def test_a_fresh_copy_of_the_sources_gives_the_same_bytes(tmp_path: Path, rom: Path) -> None:
    for folder in ("firmware", "protocol"):
        shutil.copytree(bundle.ROOT / folder, tmp_path / folder, copy_function=shutil.copy)  # with the time of now, as a clone has
    command = [sys.executable, "-m", "firmware.bench.bundle", str(tmp_path / "out")]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=100)
    assert (tmp_path / "out" / bundle.IMAGE).read_bytes() == rom.read_bytes()


def test_all_kinds_fit_96_kb(rom: Path) -> None:
    assert sum(path.stat().st_size for path in rom.parent.rglob("*.mpy")) < 96_000
    assert rom.stat().st_size < 98_000


def test_unknown_board_type_is_wrong_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        bundle.main([str(tmp_path), "--board", "toaster"])
    assert ended.value.code == 2
    assert "esp32_wroom" in capsys.readouterr().err


def test_one_of_the_same_sources_is_copied_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kept.FOLDER, str(tmp_path / "kept"))
    built = []

    def build(name: str, source: str) -> bytes:
        def make(out: Path) -> None:
            built.append(name)
            (out / "main.mpy").write_text(source)

        out = tmp_path / name
        kept.made(out, kept.key({"main": source}), make)
        return (out / "main.mpy").read_bytes()

    assert [build("first", "1"), build("same", "1"), build("other", "2")] == [b"1", b"1", b"2"]
    assert built == ["first", "other"]


def test_one_that_could_not_be_made_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kept.FOLDER, str(tmp_path / "kept"))

    def fail(out: Path) -> None:
        (out / "half.mpy").write_text("half")
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        kept.made(tmp_path / "out", "name", fail)
    assert not list((tmp_path / "kept").glob("*/"))
    kept.made(tmp_path / "out", "name", lambda out: (out / "whole.mpy").touch())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole.mpy"]


def test_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kept.FOLDER, str(tmp_path / "kept"))
    for name in range(kept.MANY + 2):
        kept.made(tmp_path / "out", f"name-{name}", lambda _: None)
    assert {path.name for path in (tmp_path / "kept").glob("*/")} == {f"name-{name}" for name in range(2, kept.MANY + 2)}
