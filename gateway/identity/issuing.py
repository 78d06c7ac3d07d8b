"""Issuing boards' certificates: the authority signs what the register has counted."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_der_x509_csr
from cryptography.x509.oid import NameOID

from gateway.identity import register
from gateway.identity.authority import Authority
from gateway.identity.register import Entry, Refused


class Issued(NamedTuple):
    """A board's new certificate, DER."""

    generation: int
    certificate: bytes


def issue(data: Path, device: str, request: bytes, *, mac: str = "", replace: bool = False, now: datetime) -> Issued:
    """Issue a board's certificate of the next generation, which takes the rights of the one before.

    `request`: a PKCS #10 request, DER, whose name does not matter; the same key again gets the same generation, so that asking twice
    is asking once. `replace`: another board (`mac`) may take the place of one that has rights. No board has two places: the bench erases
    it, and the first one would be without a bell while the register says that it has one.
    Raises Refused, NoIdentity, FileMistakes, OSError.
    """
    key = _key(request)
    fingerprint = hashlib.sha256(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    authority = Authority.load(data)
    with register.changed(data) as entries:
        before = entries.get(device)
        if before and not before.revoked and before.mac and before.mac != mac and not replace:
            raise Refused(
                f"{device}: expected the board {before.mac}, got {mac or 'none'}; to put another in its place: keng device replace"
            )
        if mac and (other := next((known for known, entry in entries.items() if entry.mac == mac and not entry.revoked), device)) != device:
            raise Refused(
                f"{device}: expected a board without a place, got {mac}, which is {other}'s; for another board at {other}: "
                f"keng device replace; to take this one from there: keng device revoke {other}"
            )
        if before and before.key == fingerprint and not before.revoked:
            generation = before.generation
        else:
            generation = before.generation + 1 if before else 1
        entries[device] = Entry(generation=generation, key=fingerprint, mac=mac, issued_ms=int(now.timestamp() * 1000))
    return Issued(generation, authority.board(device, generation, key, now=now))


def new_key(device: str) -> tuple[bytes, bytes]:
    """A P-256 key (PKCS #8) and a request for its certificate, both DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    own = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, plain)
    return own, request.public_bytes(serialization.Encoding.DER)


def _key(request: bytes) -> ec.EllipticCurvePublicKey:
    try:
        found = load_der_x509_csr(request)
        is_signed = found.is_signature_valid
        key = found.public_key()
    except ValueError as exc:
        raise Refused(f"expected a certificate request in DER, got: {exc}") from None
    if not is_signed:
        raise Refused("expected a request signed by its own key")
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refused("expected a P-256 key")
    return key
