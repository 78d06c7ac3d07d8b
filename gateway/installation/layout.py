"""Where everything lies on a gateway, and as whom it runs. `root` stands before every path: an image can be furnished too."""

from dataclasses import dataclass
from pathlib import Path

USER = "keng"  # broker, engine, backups
CONSOLE_USER = "keng-console"  # the web: reads the engine's database and writes nothing of it


@dataclass(frozen=True)
class Layout:
    """`program`: the command keng as the services call it, on the machine itself and not below `root`."""

    program: Path
    root: Path = Path("/")

    @property
    def settings(self) -> Path:
        """keng.toml; root owns it, the services read it."""
        return Path("/etc/keng/keng.toml")

    @property
    def site(self) -> Path:
        """The commune's description."""
        return Path("/etc/keng/site.toml")

    @property
    def data(self) -> Path:
        """Databases and the broker's files."""
        return Path("/var/lib/keng")

    @property
    def console_data(self) -> Path:
        """What is the console's own."""
        return Path("/var/lib/keng-console")

    @property
    def console_account(self) -> Path:
        """The broker's account of the console, which the broker's unit writes and systemd hands to the console."""
        return self.data / "broker" / "console.json"

    @property
    def backups(self) -> Path:
        """Safe copies. Another disk is mounted here, if there is one."""
        return Path("/var/backups/keng")

    @property
    def units(self) -> Path:
        """Where the units of an administrator go: systemd.unit(5)."""
        return Path("/etc/systemd/system")

    @property
    def folders(self) -> tuple[Path, ...]:
        """What --purge deletes."""
        return self.settings.parent, self.data, self.console_data, self.backups

    def real(self, path: Path) -> Path:
        """A path of the gateway as it is reached from here."""
        return self.root / path.relative_to("/")
