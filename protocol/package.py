"""A release of the board's program as one signed file, to be carried, checked and put on boards. The format, and who may read it.

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
It is verified here as a board does it, with the integers of Python: whoever only reads packages needs nothing else.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

MAGIC = "keng-bundle 1"
MPY = 6  # the version of .mpy that mpy-cross of the pinned release writes: the third byte of each file has to say so
KEY_BITS = 3072
SIGNATURE_BYTES = KEY_BITS // 8
HEADER_MAX = 16_384
SIZE_MAX = 1_000_000
PATH = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*\.(mpy|romfs)")
WORD = re.compile(r"[A-Za-z0-9._-]{1,32}")
DIGEST = re.compile(r"[0-9a-f]{16}")
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----")
_RSA_OID = bytes.fromhex("06092a864886f70d010101")  # rsaEncryption, RFC 8017 A.1
_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo of SHA-256, RFC 8017 9.2


class PackageError(ValueError):
    """This is no package that can be trusted; the text says what was expected, what came and where."""


class PublicKey(NamedTuple):
    """An RSA key that signatures are checked with: modulus and exponent."""

    n: int
    e: int


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


def read(content: bytes, trusted: Iterable[PublicKey]) -> Package:
    """The package in a file, signed by one of the `trusted` keys and whole. Raises PackageError."""
    if len(content) > SIZE_MAX:
        raise PackageError(f"package: expected at most {SIZE_MAX} bytes, got {len(content)}")
    end = content.find(b"\nend\n", 0, HEADER_MAX)
    if not content.startswith(MAGIC.encode() + b"\n") or end < 0:
        raise PackageError(f"package: expected {MAGIC!r} and a header of at most {HEADER_MAX} bytes, got something else")
    start = end + len(b"\nend\n")
    header, signature, rest = content[:start], content[start : start + SIGNATURE_BYTES], content[start + SIGNATURE_BYTES :]
    if not any(_is_signed(header, signature, key) for key in trusted):
        raise PackageError("package: expected the signature of a trusted key, got another, or a changed header")
    found = _parsed(header.decode("ascii").splitlines()[1:-1], rest)
    if found.header != header:
        raise PackageError("package: expected each line of the header once and in order")
    return found


def load_public(path: Path) -> PublicKey:
    """A trusted key in PEM (SubjectPublicKeyInfo). Raises PackageError, OSError."""
    found = _PEM.search(path.read_bytes())
    try:
        return public_key(base64.b64decode(found[1]) if found else b"")
    except (PackageError, binascii.Error):
        raise PackageError(f"{path}: expected a public key in PEM, RSA with {KEY_BITS} bits, got something else") from None


def public_key(der: bytes) -> PublicKey:
    """The key in a SubjectPublicKeyInfo in DER (RFC 8017 A.1.1). Raises PackageError for every other kind and size."""
    try:
        info = _Der(_Der(der).take(0x30))
        if not info.take(0x30).startswith(_RSA_OID):
            raise PackageError("public key: expected RSA, got another kind")
        numbers = _Der(_Der(info.take(0x03)[1:]).take(0x30))
        key = PublicKey(int.from_bytes(numbers.take(0x02)), int.from_bytes(numbers.take(0x02)))
    except IndexError:
        raise PackageError("public key: expected SubjectPublicKeyInfo in DER, got something else") from None
    if key.n.bit_length() != KEY_BITS or key.e < 3:
        raise PackageError(f"public key: expected RSA with {KEY_BITS} bits, got {key.n.bit_length()}")
    return key


class _Der:
    """Values one after the other. `take` raises IndexError for another tag, and for what is cut short."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def take(self, tag: int) -> bytes:
        content = self._content
        size, start = content[1], 2
        if size >= 0x80:
            start += size - 0x80
            size = int.from_bytes(content[2:start])
        if content[0] != tag or start + size > len(content):
            raise IndexError
        self._content = content[start + size :]
        return content[start : start + size]


def _is_signed(header: bytes, signature: bytes, key: PublicKey) -> bool:
    """RSASSA-PKCS1-v1_5 (RFC 8017 8.2.2): the whole encoded message is compared, so that nothing can hide in its padding."""
    if len(signature) != SIGNATURE_BYTES or int.from_bytes(signature) >= key.n:
        return False
    found = pow(int.from_bytes(signature), key.e, key.n).to_bytes(SIGNATURE_BYTES)
    told = _SHA256_INFO + hashlib.sha256(header).digest()
    return found == b"\x00\x01" + b"\xff" * (SIGNATURE_BYTES - len(told) - 3) + b"\x00" + told


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
