"""The gateway's settings: keng.toml, checked as a whole. Every table and every key may be left out; docs/settings.md explains each."""

import re
from datetime import time
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from gateway import addresses
from gateway.addresses import Host, is_loopback
from protocol import tomlfile
from protocol.fields import Id
from protocol.site import Site
from protocol.tomlfile import FileMistakes, Misfit, Tables

Port = Annotated[int, Field(ge=1, le=65535)]


class Table(BaseModel):
    """A table of the file: a key that we do not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Broker(Table):
    """Which broker, and where it listens.

    Boards connect to `host` and `port`, programs (engine, console, bench, observer) to `programs_port` of this machine, which is the
    next one if it is left out; an external broker has one host and port for all unless it says otherwise. auto: mosquitto if it is
    installed, else the embedded broker. external: somebody else runs it. Where others reach `host`, boards need certificates: the
    broker that starts there looks for them (gateway.broker).
    """

    kind: Literal["auto", "mosquitto", "embedded", "external"] = "auto"
    host: Host = "127.0.0.1"
    port: Port = 1883
    programs_port: Port | None = None

    @field_validator("host")
    @classmethod
    def _where_it_may_listen(cls, host: str, info: ValidationInfo) -> str:
        kind = info.data.get("kind")
        if kind == "embedded":
            return addresses.loopback(host, "the embedded broker has no rights")
        return host if kind == "external" else addresses.own(host)

    @model_validator(mode="after")
    def _another_port(self) -> "Broker":
        programs = self.port_of_programs
        if programs > 65535 or (programs == self.port and self.kind != "external"):
            raise ValueError(f"expected programs_port to be another port than port ({self.port}), up to 65535")
        return self

    @property
    def host_of_programs(self) -> str:
        """Where engine, console and observer connect: this machine, unless somebody else runs the broker."""
        return self.host if self.kind == "external" or is_loopback(self.host) else "127.0.0.1"

    @property
    def port_of_programs(self) -> int:
        """The port of host_of_programs."""
        return self.programs_port or (self.port if self.kind == "external" else self.port + 1)


class Engine(Table):
    """How long things last."""

    ring_max_s: Annotated[int, Field(ge=60, le=7200)] = 1800
    verify_s: Annotated[int, Field(ge=0, le=90)] = 60


Days = Annotated[int, Field(ge=30, le=36_600)]


class Retention(Table):
    """How many days what is stored is kept: docs/retention.md. `audit`: what people ordered; `reports`: what boards measured."""

    events_days: Days = 366
    incidents_days: Days = 1098
    maintenance_days: Days = 1098
    deliveries_days: Days = 366
    audit_days: Days = 366
    updates_days: Days = 1098
    reports_days: Annotated[int, Field(ge=1, le=3660)] = 7


class Console(Table):
    """The console's pages. Without TLS, by `certificate` (the chain) and `key`, both PEM, they show themselves to this machine only.

    `database`: where accounts, sessions and the record of who did what lie, if not in console.db of the folder DATA-console, or where there
    is none of DATA.
    """

    certificate: Path | None = None
    key: Path | None = None
    host: Host = "127.0.0.1"
    port: Port = 8480
    language: Literal["vi", "en"] = "vi"
    database: Path | None = None

    @field_validator("host")
    @classmethod
    def _only_this_machine_without_tls(cls, host: str, info: ValidationInfo) -> str:
        if info.data.get("certificate") and info.data.get("key"):
            return host
        return addresses.loopback(
            host, "anybody could read passwords on the network; for another address set certificate and key in [console]"
        )

    @model_validator(mode="after")
    def _a_pair(self) -> "Console":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("expected certificate and key, or neither")
        return self


class Map(Table):
    """What lies under the commune's own map: a PMTiles file, or else the tiles of a server, which needs the Internet; or nothing."""

    pmtiles: Path | None = None
    tiles: str = ""
    attribution: Annotated[str, Field(max_length=200)] = ""

    @field_validator("tiles")
    @classmethod
    def _names_tiles(cls, tiles: str) -> str:
        if tiles and not (re.fullmatch(r"https?://[A-Za-z0-9.:{}-]+/\S*", tiles) and all(part in tiles for part in ("{z}", "{x}", "{y}"))):
            raise ValueError("expected an address such as https://tiles.example/{z}/{x}/{y}.png")
        return tiles


class Log(Table):
    """How the parts write their log to stdout."""

    format: Literal["text", "json"] = "text"


class Metrics(Table):
    """Where Prometheus finds the engine's numbers; without a port nowhere."""

    host: Host = "127.0.0.1"
    port: Port | None = None

    @field_validator("host")
    @classmethod
    def _only_this_machine(cls, host: str) -> str:
        return addresses.loopback(host, "the numbers are for this machine's own Prometheus or agent")


class Health(Table):
    """When the gateway itself is not well: docs/faults.md. `ups`: where to ask about the supply, "" for nowhere."""

    disk_free_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    temperature_c: Annotated[int, Field(ge=30, le=120)] = 80
    clock_min: Annotated[int, Field(ge=0, le=10_080)] = 60
    broker_mb: Annotated[int, Field(ge=10, le=100_000)] = 200
    ups: Annotated[str, Field(pattern=r"^(|kernel|nut:[A-Za-z0-9_.@:-]{1,100})$")] = ""


def _number(text: str) -> str:
    if not re.fullmatch(r"\+?\d{3,15}", text, re.ASCII):
        raise ValueError("expected a number such as +84980200030")
    return text


class Canary(Table):
    """When each channel proves itself, and to whom: docs/canary.md. `skip` names channels that need not."""

    at: time = time(8, 30)
    patience_min: Annotated[int, Field(ge=10, le=1440)] = 120
    sms_to: Annotated[str, AfterValidator(lambda text: text and _number(text))] = ""
    sms_returns: bool = False
    voice_to: Annotated[str, AfterValidator(lambda text: text and _number(text))] = ""
    skip: list[str] = []

    @model_validator(mode="after")
    def _number_of_its_own(self) -> "Canary":
        if self.sms_returns and not self.sms_to:
            raise ValueError("expected the modem's own number in sms_to with sms_returns")
        return self


def _secret(path: Path, where: str) -> str:
    """One line in a file of its own. Raises FileMistakes, without a word of what is in it."""
    try:
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "no text"
        raise FileMistakes([f"settings: {where}: expected a file that can be read, got: {path}: {why}"]) from None
    if not found or not found.isprintable():
        raise FileMistakes([f"settings: {where}: expected one line in {path}, got {'nothing' if not found else 'more'}"])
    return found


def _wave(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d{0,4}|[1-9]\d?%", text, re.ASCII):
        raise ValueError('expected a number of boards such as "5", or a part of all of them such as "20%"')
    return text


class Updates(Table):
    """Updates of boards over the air: docs/updates.md. `trusted`: public keys of whoever signs bundles, two so that one can be retired.

    `waves`: boards of the first waves, each "5" or "20%"; a last one takes the rest. `soak_min`: from one to the next. `at_once`: boards
    under way. `within_min`: a board that makes no step for so long is late. `kb_per_s`: of pieces, for all boards together.
    """

    trusted: Annotated[list[Path], Field(max_length=2)] = []
    waves: Annotated[list[Annotated[str, AfterValidator(_wave)]], Field(max_length=9)] = ["1", "5", "20%"]
    soak_min: Annotated[int, Field(ge=0, le=10_080)] = 10
    at_once: Annotated[int, Field(ge=1, le=50)] = 4
    within_min: Annotated[int, Field(ge=15, le=1440)] = 60
    kb_per_s: Annotated[int, Field(ge=1, le=10_000)] = 64


class Webhook(Table):
    """Where each incident is posted as JSON, signed with the secret in `secret_file`, if there is one. `timeout_s` is for one try."""

    name: Id
    url: Annotated[str, Field(max_length=2000), AfterValidator(addresses.web)]
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    secret_file: Path | None = None

    def secret(self) -> bytes | None:
        """The secret, None without one. Raises FileMistakes."""
        return _secret(self.secret_file, f"webhooks {self.name}: secret_file").encode() if self.secret_file else None


class Target(Table):
    """A service of Apprise that people are told by (apprise:<name> in the site file); the file holds its address, since that carries a
    token. `timeout_s` is for one try.
    """

    name: Id
    url_file: Path
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 30.0

    def address(self) -> str:
        """The address. Raises FileMistakes."""
        return _secret(self.url_file, f"apprise {self.name}: url_file")


class Receiver(Table):
    """A police receiver or monitoring centre that understands SIA DC-09 (docs/police-receiver.md).

    `key_file` holds the key; without one all goes in clear. `fallback` names the receiver that gets what this one does not take;
    it serves this one alone and gets nothing else. `supervision_s` 0: it is not asked whether it lives.
    """

    name: Id
    host: Host
    port: Port
    account: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{3,16}$")]
    receiver_number: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{1,6}$")] = "1"
    line_number: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{1,6}$")] = "0"
    key_file: Path | None = None
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    supervision_s: Annotated[int, Field(ge=0, le=86400)] = 60
    fallback: Id | None = None


class Sms(Table):
    """A GSM modem on a serial port, for messages and calls (docs/sms.md). Without a `port` there is none.

    `pin_file` holds the SIM card's PIN alone. `send_s`: how long the network may take for a message; `report_s`: how long for its
    delivery report; after `valid_min` a message is not worth sending. `power`: what cuts the modem's power, if something does.
    """

    port: str = ""
    baud: Annotated[int, Field(ge=1200, le=4_000_000)] = 115200
    pin_file: Path | None = None
    centre: Annotated[str, AfterValidator(_number)] = ""
    accents: Literal["auto", "always", "never"] = "auto"
    ring_s: Annotated[int, Field(ge=5, le=60)] = 25
    send_s: Annotated[int, Field(ge=1, le=120)] = 45
    report_s: Annotated[int, Field(ge=10, le=86400)] = 300
    valid_min: Annotated[int, Field(ge=5, le=10080)] = 240
    power: Literal["none", "dtr", "rts", "command"] = "none"
    power_command: list[str] = []

    @model_validator(mode="after")
    def _command_to_run(self) -> "Sms":
        if (self.power == "command") != bool(self.power_command):
            raise ValueError('expected a power_command with power = "command", and only there')
        return self

    @property
    def path(self) -> Path:
        """The port as a path."""
        return Path(self.port)

    def pin(self) -> str:
        """The PIN in its file, "" without one. Raises FileMistakes if the file cannot be read or holds something else."""
        if self.pin_file is None:
            return ""
        try:
            found = self.pin_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "something else"
            raise FileMistakes([f"settings: sms.pin_file: expected a file with a PIN that can be read, got: {why}"]) from exc
        if not re.fullmatch(r"\d{4,8}", found, re.ASCII):
            raise FileMistakes([f"settings: sms.pin_file: expected 4 to 8 digits in it, got {len(found)} characters"])
        return found


class Settings(Table):
    """The whole file."""

    broker: Broker = Broker()
    engine: Engine = Engine()
    retention: Retention = Retention()
    console: Console = Console()
    map: Map = Map()
    log: Log = Log()
    metrics: Metrics = Metrics()
    health: Health = Health()
    canary: Canary = Canary()
    updates: Updates = Updates()
    webhooks: list[Webhook] = []
    receivers: list[Receiver] = []
    apprise: list[Target] = []
    sms: Sms = Sms()


def load(path: Path | None) -> Settings:
    """The settings in a file; the defaults for None. Raises tomlfile.FileMistakes with every mistake, OSError if it cannot be read."""
    return tomlfile.load(path, Settings, _misfits) if path else Settings()


def need_duty(site: Site) -> None:
    """Raises FileMistakes if nobody of the site may answer alarms."""
    if not any(person.role == "duty" for person in site.people):
        raise FileMistakes(["site: people: expected somebody with the role duty, who answers alarms, got nobody"])


def _misfits(tables: Tables) -> list[Misfit]:
    names = {table: [row.get("name") for row in tomlfile.rows(tables, table)] for table in ("webhooks", "receivers", "apprise")}
    doubled = [
        Misfit((table, index, "name"), "a name used only once", name)
        for table, known in names.items()
        for index, name in enumerate(known)
        if name is not None and name in known[:index]
    ]
    return doubled + _fallbacks(tomlfile.rows(tables, "receivers"))


def _fallbacks(receivers: list[Tables]) -> list[Misfit]:
    """A fallback is another receiver, of one alone, and has none itself: where an alarm goes is seen at a glance."""
    has_fallback = {row.get("name") for row in receivers if row.get("fallback")}
    named = [row.get("fallback") for row in receivers]
    allowed = [row.get("name") for row in receivers if row.get("name") not in has_fallback]
    return [
        Misfit(("receivers", index, "fallback"), "the name of another receiver that has no fallback and is that of no other", name)
        for index, name in enumerate(named)
        if name is not None and (name not in allowed or name in named[:index])
    ]
