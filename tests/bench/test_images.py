"""MicroPython images: what is in one, what is refused, and the catalogue."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firmware.bench import images, release_commands
from firmware.bench.images import BOARDS, ImageError
from simulator.usb import image

NAME = "ESP32_GENERIC-v1.29.0.bin"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("made") / "download.bin"
    image.make(target, app_kb=20)
    return target


@pytest.mark.parametrize("chip", ["esp32", "esp32s3", "esp32c3", "esp32c6"])
def test_chip_version_and_place_of_the_files_are_read(tmp_path: Path, chip: str) -> None:
    image.make(tmp_path / "i.bin", chip=chip, version="v1.28.1", app_kb=10)
    found = images.read(tmp_path / "i.bin")
    assert (found.chip, found.version, found.files_offset, found.files_size) == (chip, "1.28.1", 0x200000, 0x200000)
    assert (found.offset, found.flash_bytes) == (0x1000 if chip == "esp32" else 0, 4 << 20)


def test_what_is_no_image_that_does_is_refused(tmp_path: Path, made: Path) -> None:
    content = made.read_bytes()
    wrong = {
        "got something else": b"\x7fELF" + bytes(5000),
        "expected MicroPython inside, got none": content.replace(b"MicroPython v", b"MicroPascal v"),
        "expected MicroPython 1.28 or newer, got MicroPython v1.23.0": content.replace(b"MicroPython v1.29.0", b"MicroPython v1.23.0"),
        "expected a partition named vfs or ffat": content.replace(b"vfs\0", b"xyz\0"),
        "expected an image for one of esp32": content[:12] + b"\x63" + content[13:],
    }
    for words, bad in wrong.items():
        (tmp_path / "bad.bin").write_bytes(bad)
        with pytest.raises(ImageError, match=words):
            images.read(tmp_path / "bad.bin")


def test_an_image_that_was_added_is_found_newest_first(tmp_path: Path, made: Path) -> None:
    catalogue = tmp_path / "images.toml"
    images.add(catalogue, made, "esp32_wroom")
    image.make(tmp_path / "older.bin", version="v1.28.0", app_kb=10)
    images.add(catalogue, tmp_path / "older.bin", "esp32_wroom")
    images.add(catalogue, made, "esp32_wroom")  # again: once
    known = images.load(catalogue)
    assert [entry.version for entry in known.image] == ["1.28.0", "1.29.0"]
    assert images.stored(catalogue, known.entry("esp32_wroom")).path == tmp_path / NAME
    assert known.entry("esp32_wroom", "1.28.0").file == "ESP32_GENERIC-v1.28.0.bin"
    with pytest.raises(ImageError, match="got esp32_wroom 1\\.28\\.0, esp32_wroom 1\\.29\\.0; remedy"):
        known.entry("esp32_s3")


def test_an_image_for_another_chip_is_refused(tmp_path: Path, made: Path) -> None:
    with pytest.raises(ImageError, match="expected an image for the esp32s3 of esp32_s3, got one for esp32"):
        images.add(tmp_path / "images.toml", made, "esp32_s3")


def test_a_damaged_file_is_refused(tmp_path: Path, made: Path) -> None:
    catalogue = tmp_path / "images.toml"
    entry = images.add(catalogue, made, "esp32_wroom")
    (tmp_path / NAME).write_bytes(made.read_bytes() + b"x")
    with pytest.raises(ImageError, match="damaged, or another file"):
        images.stored(catalogue, entry)


@contextmanager
def web(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_an_image_is_fetched_once_and_its_hash_checked(tmp_path: Path, made: Path) -> None:
    catalogue = tmp_path / "images.toml"
    with web(made.parent) as address:
        entry = images.add(catalogue, made, "esp32_wroom", f"{address}/download.bin")
        (tmp_path / NAME).unlink()
        assert images.stored(catalogue, entry).sha256 == entry.sha256
    assert images.stored(catalogue, entry).sha256 == entry.sha256  # without a network
    (tmp_path / NAME).unlink()
    with pytest.raises(ImageError, match="without a network use --firmware FILE"):
        images.stored(catalogue, entry)
    (made.parent / "other.bin").write_bytes(b"something else")
    with web(made.parent) as address, pytest.raises(ImageError, match="damaged, or another file"):
        images.stored(catalogue, entry.model_copy(update={"url": f"{address}/other.bin"}))
    assert not (tmp_path / NAME).exists()


def test_a_server_that_never_comes_to_an_end_is_left(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "WHOLE_S", 0)
    with web(made.parent) as address:
        entry = images.add(tmp_path / "images.toml", made, "esp32_wroom", f"{address}/download.bin")
        (tmp_path / NAME).unlink()
        with pytest.raises(ImageError, match="no end within 0 s; without a network use --firmware FILE"):
            images.stored(tmp_path / "images.toml", entry)


def test_every_board_type_has_an_image_name_and_pins() -> None:
    assert set(BOARDS) == {path.stem for path in (Path(images.__file__).parents[1] / "boards").glob("*.py")}


def test_the_commands_add_list_and_fetch(tmp_path: Path, made: Path) -> None:
    where = ["--catalogue", str(tmp_path / "images.toml")]
    run = functools.partial(CliRunner().invoke, release_commands.image)
    assert "no image yet" in run(["list", *where]).output
    assert run(["add", str(made), *where]).output.startswith(f"{NAME}: esp32_wroom, MicroPython 1.29.0, SHA-256 ")
    assert run(["list", *where]).output.split() == ["esp32_wroom", "1.29.0", "here", NAME]
    assert run(["fetch", *where]).output == f"{tmp_path / NAME}: esp32, MicroPython 1.29.0\n"
    assert run(["add", str(made), "--board", "toaster", *where]).exit_code == 2


def test_a_bundle_is_built_signed_and_checked_by_commands(tmp_path: Path) -> None:
    run = functools.partial(CliRunner().invoke, release_commands.bundle)
    key, out = str(tmp_path / "release.pem"), str(tmp_path / "keng.bundle")
    assert run(["key", key], input="secret\nsecret\n").exit_code == 0
    assert (tmp_path / "release.pem").stat().st_mode & 0o077 == 0
    assert run(["key", key], input="secret\nsecret\n").exit_code == 2
    assert run(["build", out, "--key", key], input="wrong\n").exit_code == 2
    built = run(["build", out, "--key", key], input="secret\n")
    assert built.exit_code == 0, built.output
    first = (tmp_path / "keng.bundle").read_bytes()
    run(["build", out, "--key", key], input="secret\n")
    assert (tmp_path / "keng.bundle").read_bytes() == first
    checked = run(["check", out, "--trusted", f"{key}.pub"])
    assert f"{out}: in order: esp32_wroom, version " in checked.output
    (tmp_path / "keng.bundle").write_bytes(first[:-1])
    assert run(["check", out, "--trusted", f"{key}.pub"]).exit_code == 1
