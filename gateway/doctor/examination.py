"""What the doctor looks at, in the order in which a person would mend it. Reads, changes nothing."""

import asyncio
import contextlib
import json
import re
import shutil
import sqlite3
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

from gateway import broker as brokers
from gateway import machine
from gateway.console.basemap import base_map
from gateway.doctor import findings, hardware, turns
from gateway.doctor.findings import Finding
from gateway.identity import accounts, register
from gateway.identity.private import has_identity
from gateway.mqtt import Account, Link
from gateway.settings import Settings
from gateway.store import backup
from protocol import topics
from protocol.messages import Gateway, decode
from protocol.site import Site
from protocol.tomlfile import FileMistakes
from protocol.wire import DecodeError

ASK_S = 10.0
TICK_S = 12.0  # one comes every 10 s
SERVICES = ("keng-broker.service", "keng-engine.service", "keng-console.service", "keng-backup.timer")


class Patient(NamedTuple):
    """The gateway that is looked at. `backups`: the folder of safe copies."""

    site: Site
    settings: Settings
    data: Path
    backups: Path


def examine(patient: Patient, *, now: Callable[[], datetime]) -> Iterator[Finding]:
    """One finding after the other, as they are made: some take seconds."""
    yield from _services()
    if patient.settings.broker.kind != "embedded":
        yield findings.mosquitto(_mosquitto_version())
    yield from _broker_and_engine(patient)
    yield from _turns(patient)
    yield _console(patient.settings)
    yield _database(patient.data / backup.DATABASE)
    yield _backups(patient, now())
    yield from _secrets(patient.data)
    yield from _certificates(patient, now())
    if patient.settings.console.certificate:
        yield _page_certificate(patient.settings.console.certificate, now())
    if patient.settings.map.pmtiles:
        yield _base_map(patient.settings.map.pmtiles)
    yield from _machine(patient.data)
    if patient.settings.sms.port:
        yield _modem(Path(patient.settings.sms.port))


def _services() -> Iterator[Finding]:
    if not Path("/run/systemd/system").is_dir():
        yield Finding("services", "unknown", "this system does not run systemd", "keng up starts everything by hand")
        return
    firewall = ("keng-firewall.service",) if Path("/etc/systemd/system/keng-firewall.service").exists() else ()
    for name in (*SERVICES, *firewall):
        yield findings.service(name, _shown(name, "LoadState", "ActiveState", "UnitFileState", "NRestarts"))
    yield findings.hardware_watchdog(_shown("", "RuntimeWatchdogUSec").get("RuntimeWatchdogUSec", ""))


def _shown(unit: str, *properties: str) -> dict[str, str]:
    """What `systemctl show` says."""
    answer = _said("systemctl", "show", f"--property={','.join(properties)}", *([unit] if unit else []))
    return dict(line.split("=", 1) for line in answer.splitlines() if "=" in line)


def _said(program: str, *arguments: str) -> str:
    """What a program prints, "" if it is not there, fails or hangs."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        return ""
    try:
        return subprocess.run([found, *arguments], capture_output=True, text=True, timeout=ASK_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _mosquitto_version() -> tuple[int, ...] | None:
    found = re.search(r"version (\d+)\.(\d+)\.(\d+)", _said("mosquitto", "-h"))
    return tuple(map(int, found.groups())) if found else None


def _broker_and_engine(patient: Patient) -> Iterator[Finding]:
    file = patient.data / "broker" / "accounts.json"
    try:
        account = accounts.read(file, patient.settings.broker).account("observer")
    except FileNotFoundError:
        yield Finding("broker", "wrong", f"no accounts in {file}", "keng up, or sudo keng install: the first start makes them")
        return
    except (OSError, FileMistakes) as exc:
        yield Finding("broker", "unknown", str(exc), "sudo keng doctor")
        return
    try:
        refused = asyncio.run(brokers.refusal(account))
    except (OSError, TimeoutError) as exc:
        remedy = "sudo systemctl restart keng-broker; journalctl -u keng-broker"
        yield Finding("broker", "wrong", f"{account.host}:{account.port}: {exc or 'no answer'}", remedy)
        return
    if refused:
        yield Finding("broker", "wrong", f"{account.host}:{account.port}: {refused}", "is it ours? another mosquitto may have the port")
        return
    yield Finding("broker", "ok", f"{account.host}:{account.port} answers")
    yield from _engine(asyncio.run(_listen(account, patient.site.id)))


async def _listen(account: Account, site: str) -> tuple[Gateway | None, bool]:
    """What the topic gateway says, and whether a tick came."""
    said: list[Gateway] = []
    ticked = asyncio.Event()

    def hear(topic: str, payload: bytes, _retained: bool) -> None:
        if topic == topics.tick(site):
            ticked.set()
            return
        with contextlib.suppress(DecodeError):
            said.append(decode(Gateway, payload))

    link = asyncio.create_task(Link(account, [(topics.gateway(site), 1), (topics.tick(site), 0)], hear).run())
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ticked.wait(), TICK_S)
    link.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await link
    return (said[-1] if said else None), ticked.is_set()


def _engine(heard: tuple[Gateway | None, bool]) -> Iterator[Finding]:
    gateway, ticks = heard
    remedy = "sudo systemctl restart keng-engine; journalctl -u keng-engine"
    if gateway is None or not gateway.online:
        yield Finding("engine", "wrong", "offline", remedy)
    elif not ticks:
        yield Finding("engine", "wrong", f"says that it is online, and no tick in {TICK_S:.0f} s", remedy)
    else:
        yield Finding("engine", "ok", f"online, version {gateway.version}")
        for fault in gateway.faults:
            yield Finding("engine", "wrong", str(fault), "see the desk's list of faults")


def _turns(patient: Patient) -> Iterator[Finding]:
    """The broker's only if it is mosquitto on this machine: another's is not ours to set, and the embedded one is no service."""
    running = turns.running(patient.data)
    for part in findings.FIRST:
        if part in running or part == "engine" or patient.settings.broker.kind == "mosquitto":
            yield findings.turn(part, running.get(part))


def _console(settings: Settings) -> Finding:
    chosen = settings.console
    host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host.replace("0.0.0.0", "127.0.0.1")  # noqa: S104  # where it is asked
    page = f"{'https' if chosen.certificate else 'http'}://{host}:{chosen.port}"
    try:
        handlers = [HTTPSHandler(context=_own(chosen.certificate))] if chosen.certificate else []
        with build_opener(ProxyHandler({}), *handlers).open(f"{page}/healthz", timeout=ASK_S) as answer:
            said = json.load(answer)
    except (URLError, OSError, ValueError) as exc:
        return Finding("console", "wrong", f"{page}: {getattr(exc, 'reason', exc)}", "sudo systemctl restart keng-console")
    if said.get("database") != "readable":
        return Finding("console", "wrong", f"answers, but its database: {said.get('database')}", "is keng-console in the group keng?")
    return Finding("console", "ok", page)


def _own(certificate: Path) -> ssl.SSLContext:
    """Trusts the console's own certificate and no other, whatever name it is asked by here."""
    context = ssl.create_default_context(cafile=str(certificate))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _database(path: Path) -> Finding:
    if not path.exists():
        return Finding("database", "wrong", f"{path}: not there", "the engine makes it at its first start")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=ASK_S)) as db:
            said = [str(row[0]) for row in db.execute("PRAGMA quick_check(1)")]
    except sqlite3.Error as exc:
        return Finding("database", "wrong", f"{path}: {exc}", "sudo keng doctor; a damaged one is set aside at the engine's next start")
    size = path.stat().st_size / findings.MB
    if said != ["ok"]:
        return Finding("database", "wrong", f"{path}: {said[0]}", "sudo systemctl restart keng-engine: it sets the damaged one aside")
    return Finding("database", "ok", f"sound, {size:.1f} MB")


def _backups(patient: Patient, now: datetime) -> Finding:
    try:
        found = backup.of_folder(patient.backups)
        newest = datetime.fromtimestamp(found[-1].stat().st_mtime, UTC) if found else None
        same_disk = patient.backups.exists() and patient.backups.stat().st_dev == patient.data.stat().st_dev
    except OSError as exc:
        return Finding("backup", "unknown", str(exc), "sudo keng doctor")
    return findings.backups(newest, same_disk=same_disk, now=now)


def _secrets(data: Path) -> Iterator[Finding]:
    for name in ("broker/accounts.json", "identity/ca.key"):
        path = data / name
        with contextlib.suppress(OSError):
            found = findings.private(str(path), path.stat().st_mode if path.exists() else None)
            if found:
                yield found


def _certificates(patient: Patient, now: datetime) -> Iterator[Finding]:
    known = {board.id for board in patient.site.boards}
    try:
        if not has_identity(patient.data):
            yield Finding(
                "certificates", "warn", "no authority: boards come with passwords, from this machine alone", "sudo keng identity init"
            )
            return
        from gateway.identity.authority import Authority, NoIdentity  # noqa: PLC0415  # cryptography

        try:
            found = Authority.load(patient.data)
        except NoIdentity as exc:
            yield Finding("certificates", "wrong", str(exc), "bring them back from a backup: keng restore")
            return
        yield findings.certificate(
            "authority", found.certificate.not_valid_after_utc, now=now, remedy="plan a new authority and new boards"
        )
        remedy = "sudo systemctl restart keng-broker: it renews its own"
        yield findings.certificate("broker's certificate", found.broker.not_valid_after_utc, now=now, remedy=remedy)
        ends = {
            device: register.end(entry, found.certificate.not_valid_after_utc)
            for device, entry in register.load(patient.data).items()
            if not entry.revoked and device in known
        }
        if ends:
            yield findings.boards(ends, now=now)
    except FileMistakes as exc:
        yield Finding("certificates", "wrong", str(exc), "bring them back from a backup: sudo keng restore")
    except OSError as exc:
        yield Finding("certificates", "unknown", str(exc), "sudo keng doctor")


def _page_certificate(path: Path, now: datetime) -> Finding:
    from cryptography import x509  # noqa: PLC0415

    what, remedy = "page's certificate", f"a new one in {path}, then sudo systemctl restart keng-console"
    try:
        until = x509.load_pem_x509_certificates(path.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError) as exc:
        return Finding(what, "wrong", f"{path}: {exc}", remedy)
    return findings.certificate(what, until, now=now, remedy=remedy)


def _base_map(path: Path) -> Finding:
    found = base_map(path, "", "")
    remedy = "copy the file anew, or take map.pmtiles out of the settings; then sudo systemctl restart keng-console"
    return (
        Finding("base map", "wrong", found.problem, remedy) if found.problem else Finding("base map", "ok", f"{path}, {found.kind} tiles")
    )


def _machine(data: Path) -> Iterator[Finding]:
    free, _, readonly = machine.disk(data)
    yield findings.disk(free, readonly=readonly, errors=machine.disk_errors(data))
    yield findings.wear(*hardware.wear(data))
    yield findings.clock(synchronised=machine.synchronised(), has_rtc=machine.has_rtc())
    yield from findings.heat(machine.temperature_c(), hardware.throttled())


def _modem(port: Path) -> Finding:
    if not port.exists():
        return Finding("modem", "wrong", f"{port}: not there", "is it plugged in? a name under /dev/serial/by-id stays the same")
    return Finding("modem", "ok", f"{port} is there; keng sms test sends a message")
