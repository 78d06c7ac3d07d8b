"""The commune's own certificate authority: whom boards trust, and who says which board is which. Kept in DATA/identity.

    ca.pem, ca.key            the authority; whoever has the key can make boards and brokers
    broker.pem, broker.key    what the broker shows

The authority and the broker have RSA keys, because a board verifies both at each connect and stands still meanwhile: that takes a third
of the time of P-256 (docs/board-tls.md). A board's own key is P-256, because signing with RSA is slow.

Every certificate is valid from the authority's own first day: a board that lay in a drawer has a clock that is months behind, and a
gateway without a clock chip judges the boards' certificates by a clock that may be years behind (docs/board-life.md).
"""

import hashlib
import ipaddress
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.identity import private
from gateway.identity.private import CA_KEY, IDENTITY, write_private
from gateway.identity.validity import YEAR, holder_end
from protocol.tomlfile import FileMistakes

SERVER_NAME = "gateway.keng.internal"  # of the broker, whatever its address is; .internal is nobody's in the Internet (ICANN, 2024-07-29)
FIRST_DAY = datetime(2000, 1, 1, tzinfo=UTC)  # before any date at which a gateway without a clock chip starts
CA_YEARS = 40
RENEW_BEFORE = YEAR  # a certificate is replaced while it is good for 60 days or more: docs/board-life.md
CA_BITS, BROKER_BITS = 3072, 2048


class NoIdentity(Exception):
    """There is no authority in this folder. The text says how to make one."""


@dataclass(frozen=True)
class Authority:
    """The authority in a folder of its own, opened with its key."""

    folder: Path
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @classmethod
    def create(cls, data: Path, site: str, *, server_name: str = SERVER_NAME, now: datetime) -> Self:
        """Make an authority and the broker's certificate. Raises FileMistakes if there is one: replacing it locks every board out."""
        folder = data / IDENTITY
        if (folder / CA_KEY).exists():
            raise FileMistakes([f"{folder}: expected no identity yet, got one: a new one would lock out every board that trusts it"])
        private.folder(folder)
        key = rsa.generate_private_key(65537, CA_BITS)
        name = _named(f"Keng {site} {os.urandom(3).hex()}")
        builder = _builder(name, name, key.public_key(), now + CA_YEARS * YEAR)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        made = cls(folder, builder.sign(key, hashes.SHA256()), key)
        write_private(folder / "ca.pem", made.pem)
        made.renew_broker(server_name, now=now)
        write_private(folder / CA_KEY, _key_pem(key))  # the last: with it there is an identity
        return made

    @classmethod
    def load(cls, data: Path) -> Self:
        """The authority of DATA. Raises NoIdentity if there is none, FileMistakes if its files are wrong, OSError."""
        folder = data / IDENTITY
        if not (folder / CA_KEY).exists():
            raise NoIdentity(f"{folder}: expected an identity, got none; remedy: keng identity init")
        try:
            certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
            key = serialization.load_pem_private_key((folder / CA_KEY).read_bytes(), None)
        except ValueError as exc:
            raise FileMistakes([f"{folder}: expected ca.pem and ca.key in PEM, got: {exc}"]) from None
        if not isinstance(key, rsa.RSAPrivateKey) or certificate.public_key() != key.public_key():
            raise FileMistakes([f"{folder}: expected ca.key to be the key of ca.pem, got another"])
        return cls(folder, certificate, key)

    @property
    def pem(self) -> str:
        """Its certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        """Its certificate as boards read it."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of its certificate, hex."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def broker(self) -> x509.Certificate:
        """What the broker shows. Raises FileMistakes, OSError."""
        path = self.folder / "broker.pem"
        try:
            return x509.load_pem_x509_certificate(path.read_bytes())
        except ValueError as exc:
            raise FileMistakes([f"{path}: expected a certificate in PEM, got: {exc}"]) from None

    @property
    def server_name(self) -> str:
        """The name in the broker's certificate. Raises as `broker` does."""
        names = self.broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return str(next(iter(names)).value)

    def board(self, device: str, generation: int, key: ec.EllipticCurvePublicKey, *, now: datetime) -> bytes:
        """The certificate of a board's key, DER: its common name is <device>.<generation>, which is its user at the broker."""
        builder = _builder(_named(f"{device}.{generation}"), self.certificate.subject, key, self.end(now))
        certificate = self._sign(builder, _usage(digital_signature=True), ExtendedKeyUsageOID.CLIENT_AUTH)
        return certificate.public_bytes(serialization.Encoding.DER)

    def renew_broker(self, server_name: str, *, now: datetime) -> None:
        """Make a new key and certificate for the broker. It shows them after its next start."""
        key = rsa.generate_private_key(65537, BROKER_BITS)
        builder = _builder(_named("broker"), self.certificate.subject, key.public_key(), self.end(now))
        builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(server_name)]), critical=False)
        certificate = self._sign(builder, _usage(digital_signature=True, key_encipherment=True), ExtendedKeyUsageOID.SERVER_AUTH)
        write_private(self.folder / "broker.key", _key_pem(key))
        write_private(self.folder / "broker.pem", certificate.public_bytes(serialization.Encoding.PEM).decode())

    def keep_broker_good(self, *, now: datetime) -> bool:
        """Renew the broker's certificate if it must be, or if it is not that of its key: True then."""
        is_good = self.broker.not_valid_after_utc - now > RENEW_BEFORE and self._is_pair()
        if not is_good:
            self.renew_broker(self.server_name, now=now)
        return not is_good

    def _is_pair(self) -> bool:
        key = serialization.load_pem_private_key((self.folder / "broker.key").read_bytes(), None)
        return key.public_key() == self.broker.public_key()  # a power cut between the two files

    def end(self, now: datetime) -> datetime:
        """The last day of a certificate that is made now."""
        return holder_end(now, self.certificate.not_valid_after_utc)

    def _sign(self, builder: x509.CertificateBuilder, usage: x509.KeyUsage, purpose: x509.ObjectIdentifier) -> x509.Certificate:
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(usage, critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        return builder.add_extension(own, critical=False).sign(self.key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey, end: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(FIRST_DAY).not_valid_after(end)


def _usage(
    *, digital_signature: bool = False, key_encipherment: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: rsa.RSAPrivateKey) -> str:
    encryption = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()
