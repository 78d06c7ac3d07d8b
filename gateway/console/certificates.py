"""The console's TLS: a certificate and its key in files, under which names they let us be known, and their renewal while we run."""

import asyncio
import ipaddress
import logging
import ssl
from pathlib import Path
from typing import NamedTuple, Self

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from gateway.settings import Console
from protocol.tomlfile import FileMistakes

logger = logging.getLogger(__name__)

LOOK_S = 60.0


class Certificate(NamedTuple):
    """Two PEM files, the first with the whole chain. `names`: DNS names and addresses of the certificate, in lower case."""

    file: Path
    key: Path
    names: tuple[str, ...]

    @classmethod
    def of(cls, settings: Console) -> Self | None:
        """The certificate of the settings, None without one. Raises FileMistakes if it cannot be used."""
        if settings.certificate is None or settings.key is None:
            return None
        try:
            found = x509.load_pem_x509_certificate(settings.certificate.read_bytes())
        except (OSError, ValueError) as exc:
            raise FileMistakes([f"settings: console.certificate: expected a certificate in PEM, got: {_why(exc)}"]) from None
        names = _names(found)
        if not names:
            raise FileMistakes(["settings: console.certificate: expected a certificate for a name or an address, got one for none"])
        made = cls(settings.certificate, settings.key, names)
        try:
            made.context()
        except (OSError, ssl.SSLError) as exc:
            raise FileMistakes([f"settings: console.key: expected the key of {settings.certificate} in PEM, got: {_why(exc)}"]) from None
        return made

    def context(self) -> ssl.SSLContext:
        """For a server: TLS 1.2 and newer. Raises OSError, ssl.SSLError among them."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.file, self.key)
        return context

    def address(self, port: int) -> str:
        """How phones reach us: the certificate's first name."""
        name = self.names[0]
        host = f"[{name}]" if ":" in name else name
        return f"https://{host}" if port == 443 else f"https://{host}:{port}"

    async def renew(self, context: ssl.SSLContext) -> None:
        """Never returns. Takes new files for new connections when somebody has put them there; keeps the old ones if they are no good."""
        known = self._mark()
        while True:
            await asyncio.sleep(LOOK_S)
            mark = self._mark()
            if mark == known:
                continue
            known = mark
            try:
                self.context()
                context.load_cert_chain(self.file, self.key)
            except OSError as exc:
                logger.warning("%s: the new certificate cannot be used: %s", self.file, _why(exc))
            else:
                logger.info("%s: new certificate", self.file)

    def _mark(self) -> list[tuple[int, int]]:
        found = []
        for path in (self.file, self.key):
            try:
                stat = path.stat()
            except OSError:
                continue
            found.append((stat.st_ino, stat.st_mtime_ns))
        return found


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
    except x509.ExtensionNotFound:
        return ()
    assert isinstance(extension, x509.SubjectAlternativeName)  # noqa: S101  # what the OID stands for
    names = [name.lower() for name in extension.get_values_for_type(x509.DNSName) if "*" not in name]
    addresses = [str(ipaddress.ip_address(str(address))) for address in extension.get_values_for_type(x509.IPAddress)]
    return (*names, *addresses)


def _why(exc: Exception) -> str:
    return exc.strerror or str(exc) if isinstance(exc, OSError) else str(exc).splitlines()[0]
