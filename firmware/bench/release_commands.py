"""`keng device image` and `keng device bundle`: what goes on boards, and who has signed it."""

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from protocol.tomlfile import FileMistakes

EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2

image = typer.Typer(no_args_is_help=True, help="MicroPython images: the catalogue of those that are known.")
bundle = typer.Typer(no_args_is_help=True, help="The program of boards as one signed file.")
Catalogue = Annotated[Path | None, typer.Option("--catalogue", help="Without it ~/.local/share/keng/images.toml.", metavar="FILE")]


@image.command("add")
def image_add(
    file: Annotated[Path, typer.Argument(help="An image as micropython.org has it, .bin.")],
    board: Annotated[str, typer.Option("--board", help="The board type.", metavar="NAME")] = "esp32_wroom",
    url: Annotated[str, typer.Option("--url", help="Where others can get it.")] = "",
    catalogue: Catalogue = None,
) -> None:
    """Take an image into the catalogue, with its hash.

    \b
    Example:
      keng device image add ESP32_GENERIC-20260801-v1.29.0.bin --board esp32_wroom
    """
    from firmware.bench import images  # noqa: PLC0415

    if board not in images.BOARDS:
        _end([f"--board: expected one of {', '.join(images.BOARDS)}, got {board!r}"], EXIT_WRONG_INPUT)
    try:
        entry = images.add(catalogue or images.default_catalogue(), file, board, url)
    except (images.ImageError, ValueError) as exc:
        _end([str(exc)], EXIT_WRONG_INPUT)
    except FileMistakes as exc:
        _end(exc.mistakes, EXIT_WRONG_INPUT)
    except OSError as exc:
        if exc.filename == str(file):
            _end([f"{file}: expected a file that can be read, got: {exc.strerror}"], EXIT_WRONG_INPUT)
        _end([f"keng device image: {exc}"], EXIT_FAILED)
    print(f"{entry.file}: {entry.board}, MicroPython {entry.version}, SHA-256 {entry.sha256}")


@image.command("list")
def image_list(catalogue: Catalogue = None) -> None:
    """Every image of the catalogue.

    \b
    Example:
      keng device image list
    """
    from firmware.bench import images  # noqa: PLC0415

    path = catalogue or images.default_catalogue()
    try:
        known = images.load(path).image
    except FileMistakes as exc:
        _end(exc.mistakes, EXIT_WRONG_INPUT)
    for entry in known:
        print(f"{entry.board:<12} {entry.version:<8} {'here' if (path.parent / entry.file).exists() else 'to fetch':<8} {entry.file}")
    if not known:
        print(f"{path}: no image yet; keng device image add FILE --board NAME")


@image.command("fetch")
def image_fetch(
    board: Annotated[str, typer.Option("--board", help="The board type.", metavar="NAME")] = "esp32_wroom",
    wanted: Annotated[str, typer.Option("--version", help="Without it the newest.")] = "",
    catalogue: Catalogue = None,
) -> None:
    """Get an image of the catalogue from its url, and check its hash.

    \b
    Example:
      keng device image fetch --board esp32_s3
    """
    from firmware.bench import images  # noqa: PLC0415

    path = catalogue or images.default_catalogue()
    try:
        found = images.stored(path, images.load(path).entry(board, wanted))
    except FileMistakes as exc:
        _end(exc.mistakes, EXIT_WRONG_INPUT)
    except (images.ImageError, OSError) as exc:
        _end([f"keng device image: {exc}"], EXIT_FAILED)
    print(f"{found.path}: {found.chip}, MicroPython {found.version}")


@bundle.command("key")
def bundle_key(
    out: Annotated[Path, typer.Argument(help="The private key to write; FILE.pub gets the public one.", metavar="FILE")],
) -> None:
    """Make a key to sign bundles with. Keep it away from every gateway; boards and benches get the public one.

    \b
    Example:
      keng device bundle key release.pem
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    from firmware.bench import package  # noqa: PLC0415

    if out.exists():
        _end([f"{out}: expected no file, got one: a key is not overwritten"], EXIT_WRONG_INPUT)
    password = typer.prompt("Password of the key", hide_input=True, confirmation_prompt=True).encode()
    key = package.new_key()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(password)
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        out.touch(mode=0o600, exist_ok=False)
        out.write_bytes(private)
        out.with_name(out.name + ".pub").write_bytes(public)
    except OSError as exc:
        _end([f"keng device bundle: {exc}"], EXIT_FAILED)
    print(f"{out}: keep it safe. {out}.pub: for `trusted` of the bench's file")


@bundle.command("build")
def bundle_build(
    out: Annotated[Path, typer.Argument(help="The file to write.", metavar="FILE")],
    key: Annotated[Path, typer.Option("--key", help="The key to sign with, PEM.", metavar="FILE")],
    board: Annotated[str, typer.Option("--board", help="The board type.", metavar="NAME")] = "esp32_wroom",
) -> None:
    """The program of this installation for a board type, signed. The same sources give the same bytes.

    \b
    Example:
      keng device bundle build keng-0.1.0-esp32_wroom.bundle --key release.pem
    """
    from firmware.bench import package  # noqa: PLC0415
    from protocol.package import PackageError  # noqa: PLC0415

    try:
        private = package.load_private(
            key, typer.prompt("Password of the key", hide_input=True, default="", show_default=False).encode() or None
        )
        found = built(board)
        out.write_bytes(package.signed(found, private))
    except PackageError as exc:
        _end([str(exc)], EXIT_WRONG_INPUT)
    except OSError as exc:
        _end([f"keng device bundle: {exc}"], EXIT_FAILED)
    print(f"{out}: {found.board}, version {found.version}, program {found.digest}, {len(found.files)} files")


@bundle.command("check")
def bundle_check(
    file: Annotated[Path, typer.Argument(help="A bundle.")],
    trusted: Annotated[list[Path], typer.Option("--trusted", help="A public key, PEM; may be repeated.", metavar="FILE")],
) -> None:
    """Whether a bundle is whole and signed by a trusted key, and what is in it.

    \b
    Example:
      keng device bundle check keng-0.1.0-esp32_wroom.bundle --trusted release.pem.pub
    """
    from protocol import package  # noqa: PLC0415

    try:
        found = package.read(file.read_bytes(), [package.load_public(key) for key in trusted])
    except package.PackageError as exc:
        _end([str(exc) if str(exc).startswith(tuple(map(str, trusted))) else f"{file}: {exc}"], EXIT_FAILED)
    except OSError as exc:
        _end([f"{exc.filename}: expected a file that can be read, got: {exc.strerror}"], EXIT_WRONG_INPUT)
    print(f"{file}: in order: {found.board}, version {found.version}, program {found.digest}, {len(found.files)} files")


def built(board: str):  # type: ignore[no-untyped-def]  # of protocol.package, which is imported late
    """The package of this installation for a board type. Raises PackageError, OSError."""
    import subprocess  # noqa: PLC0415

    from firmware.bench import bundle as bundles  # noqa: PLC0415
    from firmware.bench import linker, package, romfs  # noqa: PLC0415
    from protocol.package import PackageError  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="keng-bundle-") as folder:
        try:
            bundles.build(Path(folder), board)
        except (bundles.BundleError, linker.LinkError, romfs.CompileError, subprocess.TimeoutExpired) as exc:
            raise PackageError(str(exc)) from None
        return package.of_folder(Path(folder), version=version("keng"), board=board, released=bundles.RELEASED_S)


def _end(lines: list[str], code: int) -> NoReturn:
    for line in lines:
        print(line, file=sys.stderr)
    sys.exit(code)
