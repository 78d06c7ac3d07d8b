"""Certificates for boards that are measured over TLS: a CA that nobody keeps, the broker's, one for each board. P-256, as boards have."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

GOOD_FOR = timedelta(days=30)
DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM


@dataclass(frozen=True)
class Holder:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def encoded(self, encoding: serialization.Encoding) -> tuple[bytes, bytes]:
        """(certificate, key)."""
        key = self.key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self.certificate.public_bytes(encoding), key


class Authority:
    """A CA."""

    def __init__(self) -> None:
        self._name = _named("bench CA")
        key = ec.generate_private_key(ec.SECP256R1())
        self.holder = Holder(_builder(self._name, self._name, key, ca=True).sign(key, hashes.SHA256()), key)

    def issue(self, name: str, host: str | None = None) -> Holder:
        """A certificate for a board's user, or for a broker with this host name."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_named(name), self._name, key, ca=False)
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return Holder(builder.sign(self.holder.key, hashes.SHA256()), key)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=2)).not_valid_after(now + GOOD_FOR)
    return builder.add_extension(x509.BasicConstraints(ca=ca, path_length=0 if ca else None), critical=True)
