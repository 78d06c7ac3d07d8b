"""Certificates for one test: P-256, in DER, as the boards want them, and in PEM, as mosquitto does."""

import datetime
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
NAME = "gw.local"  # of the broker, in its certificate


@dataclass(frozen=True)
class Holder:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_der(self) -> bytes:
        return self._key(serialization.Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self._key(serialization.Encoding.PEM)

    def _key(self, encoding: serialization.Encoding) -> bytes:
        return self.key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Authority:
    """A CA of its own."""

    def __init__(self, name: str = "Test CA") -> None:
        self._name = _named(name)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(self._name, self._name, key, -DAY, 3650 * DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.holder = Holder(builder.sign(key, hashes.SHA256()), key)

    def server(self, *names: str, start: datetime.timedelta = -DAY, end: datetime.timedelta = 365 * DAY) -> Holder:
        """A broker's certificate for these names or IPv4 addresses, good from `start` to `end`, both from now."""
        others = [x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names or (NAME,)]
        return self._issue("broker", x509.SubjectAlternativeName(others), start, end)

    def board(self, device: str, generation: int = 1, *, end: datetime.timedelta = 365 * DAY) -> Holder:
        """A board's certificate: the user of the broker is <device>.<generation>."""
        return self._issue(f"{device}.{generation}", None, -2 * DAY, end)

    def revoke(self, holder: Holder) -> bytes:
        """A revocation list with this certificate on it, in PEM."""
        now = datetime.datetime.now(datetime.UTC)
        revoked = x509.RevokedCertificateBuilder().serial_number(holder.certificate.serial_number).revocation_date(now - DAY).build()
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name).last_update(now - DAY).next_update(now + DAY)
        crl = builder.add_revoked_certificate(revoked).sign(self.holder.key, hashes.SHA256())
        return crl.public_bytes(serialization.Encoding.PEM)

    def _issue(self, name: str, others: x509.SubjectAlternativeName | None, start: datetime.timedelta, end: datetime.timedelta) -> Holder:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_named(name), self._name, key, start, end)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        if others is not None:
            builder = builder.add_extension(others, critical=False)
        return Holder(builder.sign(self.holder.key, hashes.SHA256()), key)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, start: datetime.timedelta, end: datetime.timedelta
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(now + start).not_valid_after(now + end)
