"""Bundles: the same sources give the same bytes, and nothing but what a trusted key has signed is taken."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from firmware.bench.package import load_private, new_key, public_der, signed
from protocol import package
from protocol.package import Package, PackageError, PublicKey

FILES = {"boot.mpy": b"M\x06boot", "agent/once.mpy": b"M\x06once", "main.mpy": b""}
RELEASE = Package("0.1.0", "esp32_wroom", 1_795_305_600, FILES)


@pytest.fixture(scope="module")
def keys() -> list[rsa.RSAPrivateKey]:
    return [new_key() for _ in range(3)]


def trusted(keys: list[rsa.RSAPrivateKey]) -> list[PublicKey]:
    """Two of them, so that one can be retired; the third is nobody's."""
    return [package.public_key(public_der(key)) for key in keys[:2]]


@pytest.mark.parametrize("signer", [0, 1])
def test_what_either_trusted_key_has_signed_is_read_whole(keys: list[rsa.RSAPrivateKey], signer: int) -> None:
    assert package.read(signed(RELEASE, keys[signer]), trusted(keys)) == RELEASE


def test_the_same_files_give_the_same_bytes_in_whatever_order(keys: list[rsa.RSAPrivateKey]) -> None:
    other = Package("0.1.0", "esp32_wroom", 1_795_305_600, dict(reversed(FILES.items())))
    assert signed(other, keys[0]) == signed(RELEASE, keys[0])


def test_the_header_can_be_read_by_people() -> None:
    assert RELEASE.header.decode().splitlines()[:5] == [
        "keng-bundle 1", "version 0.1.0", "board esp32_wroom", "mpy 6", "released 1795305600",
    ]  # fmt: skip


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_no_changed_byte_is_taken(keys: list[rsa.RSAPrivateKey]) -> None:
    whole = signed(RELEASE, keys[0])
    for place in range(len(whole)):
        with pytest.raises(PackageError):
            package.read(flipped(whole, place), trusted(keys))


def test_no_shorter_and_no_longer_one_is_taken(keys: list[rsa.RSAPrivateKey]) -> None:
    whole = signed(RELEASE, keys[0])
    for size in range(len(whole)):
        with pytest.raises(PackageError):
            package.read(whole[:size], trusted(keys))
    with pytest.raises(PackageError, match="nothing after the last file, got 1 bytes"):
        package.read(whole + b"x", trusted(keys))


def test_one_that_no_flash_holds_is_refused_unread() -> None:
    with pytest.raises(PackageError, match="expected at most 1000000 bytes, got 1000001"):
        package.read(bytes(1_000_001), [])


def test_a_retired_or_foreign_key_is_not_trusted(keys: list[rsa.RSAPrivateKey]) -> None:
    with pytest.raises(PackageError, match="expected the signature of a trusted key"):
        package.read(signed(RELEASE, keys[2]), trusted(keys))
    with pytest.raises(PackageError, match="expected the signature of a trusted key"):
        package.read(signed(RELEASE, keys[0]), trusted(keys)[1:])


Change = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda header: header.replace(b"mpy 6", b"mpy 5"), "expected mpy 6, got 5"),
        (lambda header: header.replace(b" boot.mpy", b" ../boot.mpy"), "expected file <SHA-256> <bytes> <path>"),
        (lambda header: header.replace(b" boot.mpy", b" /boot.mpy"), "expected file <SHA-256> <bytes> <path>"),
        (lambda header: header.replace(b"version 0.1.0\n", b""), "expected the lines version, board, mpy, released"),
        (lambda header: header.replace(b"released 1", b"released x"), "expected the lines version, board, mpy, released"),
    ],
    ids=["mpy", "up", "root", "missing", "no-number"],
)
def test_a_signed_header_is_still_checked(keys: list[rsa.RSAPrivateKey], change: Change, words: str) -> None:
    header = change(RELEASE.header)
    signed = header + keys[0].sign(header, padding.PKCS1v15(), hashes.SHA256()) + b"".join(content for _, content in sorted(FILES.items()))
    with pytest.raises(PackageError, match=words):
        package.read(signed, trusted(keys))


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="expected RSA with 3072 bits, got 2048"):
        signed(RELEASE, rsa.generate_private_key(65537, 2048))
    (tmp_path / "key").write_text("no key")
    for load in (package.load_public, lambda path: load_private(path, None)):
        with pytest.raises(PackageError, match="in PEM"):
            load(tmp_path / "key")


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_a_public_key_is_read_as_openssl_writes_it(keys: list[rsa.RSAPrivateKey], tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(pem(keys[0]))
    numbers = keys[0].public_key().public_numbers()
    assert package.load_public(tmp_path / "key") == PublicKey(numbers.n, numbers.e)


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())], ids=["2048", "p256"])
def test_a_public_key_of_another_kind_or_size_is_refused(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(pem(key))
    with pytest.raises(PackageError, match=r"key: expected a public key in PEM, RSA with 3072 bits"):
        package.load_public(tmp_path / "key")


def test_a_public_key_that_is_cut_short_is_refused(keys: list[rsa.RSAPrivateKey]) -> None:
    der = public_der(keys[0])
    for size in range(len(der)):
        with pytest.raises(PackageError):
            package.public_key(der[:size])


@pytest.mark.parametrize("hidden", [b"\x00\x01\xff\xff\x00", b"\x00\x02" + b"\xff" * 330 + b"\x00"], ids=["short", "encryption"])
def test_a_signature_with_another_padding_is_none(keys: list[rsa.RSAPrivateKey], hidden: bytes) -> None:
    """Whoever compares the hash alone, and not the padding before it, takes what somebody without the key can make."""
    numbers = keys[0].private_numbers()
    right = signed(RELEASE, keys[0])[len(RELEASE.header) :][: package.SIGNATURE_BYTES]
    told = pow(int.from_bytes(right), 65537, numbers.public_numbers.n).to_bytes(package.SIGNATURE_BYTES)[-51:]
    block = (hidden + told).ljust(package.SIGNATURE_BYTES, b"\xff")
    forged = pow(int.from_bytes(block), numbers.d, numbers.public_numbers.n).to_bytes(package.SIGNATURE_BYTES)
    rest = b"".join(content for _, content in sorted(FILES.items()))
    assert package.read(RELEASE.header + right + rest, trusted(keys)) == RELEASE
    with pytest.raises(PackageError, match="expected the signature of a trusted key"):
        package.read(RELEASE.header + forged + rest, trusted(keys))
