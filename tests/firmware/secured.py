"""A mosquitto that knows its boards by their certificates, and what a board needs to meet it."""

import getpass
from pathlib import Path
from typing import Any

import rig
from certificates import Authority, Holder

# The rights of the board B1, generation 1.
RIGHTS = """user B1.1
topic readwrite keng/1/test/dev/B1/#
topic readwrite keng/1/test/group/G1/#
topic read keng/1/test/tick
topic read keng/1/test/gateway
"""


class Broker(rig.Broker):
    """Two listeners: `port` for the test's own engine, and `tls_port` for boards, with TLS unless `plain`."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.tls_port = rig.free_port()
        self._folder = folder
        self._log = folder / "mosquitto.log"
        self.ca = authority  # whose boards it takes
        self.server = authority.server()
        self.revoked: bytes | None = None
        self.plain = False
        self.version = "tlsv1.2"
        super().__init__(folder)

    def configuration(self) -> str:
        common = f"user {getpass.getuser()}\nper_listener_settings true\nlog_type notice\nlog_dest file {self._log}\n"
        return (
            common
            + super().configuration()
            + f"listener {self.tls_port} 127.0.0.1\n"
            + ("allow_anonymous true\n" if self.plain else self._tls())
        )

    def restart(self, **changes: Any) -> None:
        """Start again with other attributes."""
        self.kill()
        for name, value in changes.items():
            setattr(self, name, value)
        self._config.write_text(self.configuration())
        self.start()

    def tries(self) -> int:
        """How often somebody has connected to the boards' port."""
        log = self._log.read_text()
        return log.count(f"on port {self.tls_port}.") + log.count("Client connection from")  # the second where TLS has failed

    def _tls(self) -> str:
        settings = {
            "cafile": self._file("ca.pem", self.ca.holder.pem),
            "certfile": self._file("server.pem", self.server.pem),
            "keyfile": self._file("server.key", self.server.key_pem),
            "acl_file": self._file("acl", RIGHTS.encode()),
            "tls_version": self.version,
            "require_certificate": "true",
            "use_identity_as_username": "true",
            "use_username_as_clientid": "true",
        }
        if self.revoked:
            settings["crlfile"] = self._file("crl.pem", self.revoked)
        return "".join(f"{key} {value}\n" for key, value in settings.items())

    def _file(self, name: str, data: bytes) -> str:
        (self._folder / name).write_bytes(data)
        return str(self._folder / name)


def files(authority: Authority, holder: Holder, **changes: bytes | None) -> str:
    """MicroPython that writes a board's files; `changes`: other bytes for ca, board or key, None for no such file."""
    contents = {"ca": authority.holder.der, "board": holder.der, "key": holder.key_der} | changes
    lines = ["import os", "if 'tls' not in os.listdir('/'): os.mkdir('/tls')"]
    for name, data in contents.items():
        if data is not None:
            lines += [f"with open('/tls/{name}.der', 'wb') as f: f.write({data!r})"]
    return "\n".join(lines)
