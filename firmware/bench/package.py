"""Packages (protocol/package.py) made and signed: where releases are made, which is no gateway."""

from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from protocol.package import KEY_BITS, Package, PackageError


def signed(package: Package, key: rsa.RSAPrivateKey) -> bytes:
    """The package as a file. Raises PackageError for a key of another size."""
    if key.key_size != KEY_BITS:
        raise PackageError(f"signing key: expected RSA with {KEY_BITS} bits, got {key.key_size}")
    signature = key.sign(package.header, padding.PKCS1v15(), hashes.SHA256())
    return package.header + signature + b"".join(content for _, content in sorted(package.files.items()))


def of_folder(folder: Path, *, version: str, board: str, released: int) -> Package:
    """The package of what bundle.build() has written: its .mpy files. Raises OSError."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.mpy"))}
    return Package(version, board, released, files)


def new_key() -> rsa.RSAPrivateKey:
    """A key to sign releases with. It belongs on no gateway."""
    return rsa.generate_private_key(65537, KEY_BITS)


def public_der(key: rsa.RSAPrivateKey) -> bytes:
    """Its public half, as protocol.package.public_key reads it."""
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def load_private(path: Path, password: bytes | None) -> rsa.RSAPrivateKey:
    """A signing key in PEM. Raises PackageError, OSError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password)
    except (ValueError, TypeError) as exc:
        raise PackageError(f"{path}: expected a private key in PEM and its password, got: {exc}") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise PackageError(f"{path}: expected an RSA key")
    return key
