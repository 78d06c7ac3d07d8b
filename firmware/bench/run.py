"""One run of the bench: what is to be done on which port, all boards at once, a line of progress for each, and how it ended."""

import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from firmware.bench import filesystem, images, label, points, release_commands, settings
from firmware.bench import ports as serial_ports
from firmware.bench.desk import Access, Desk, DeskFailed, load_access
from firmware.bench.flashing import Done, Flasher, FlashFailed, Hands, Job, Materials, Step, Tell
from firmware.bench.images import BOARDS, ImageError
from firmware.bench.inplace import Updater
from firmware.bench.label import Label
from firmware.bench.settings import Bench
from firmware.bench.tools import Interrupted, Tools
from protocol import package
from protocol import site as site_files
from protocol.package import Package, PackageError, PublicKey
from protocol.site import Site
from protocol.tomlfile import FileMistakes

AT_ONCE = 16
LOOK_S = 0.2  # so often somebody who is asked may be spared the answer
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # Ctrl-C, kill, a terminal that is closed
YES = ("y", "yes", "c", "co", "có")
LATEST = 3  # of a percentage that is told where nobody sees a bar: each third


class CannotBegin(Exception):
    """Nothing was done; the text says what is missing."""


class Plan(NamedTuple):
    """What is to be done. `flasher`: what does it."""

    jobs: list[Job]
    materials: Materials
    access: Access
    flasher: type[Flasher] = Flasher


class Outcome(NamedTuple):
    """How it ended: what works, and for each other board the step and why."""

    done: list[Done]
    failed: dict[str, FlashFailed]

    def lines(self) -> list[str]:
        """For people."""
        good = []
        for one in self.done:
            tested = ", ".join(f"{point} {how}" for point, how in one.result.tested.items())
            good.append(f"✓ {one.device}: {one.mac}, generation {one.generation}, {tested or 'not tried'}; {one.took_s:.0f} s")
        return good + [f"✕ {device}: {failure.step}: {failure}" for device, failure in self.failed.items()]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        done = [
            {
                "device": one.device,
                "mac": one.mac,
                "generation": one.generation,
                "tested": one.result.tested,
                "took_s": round(one.took_s, 1),
            }
            for one in self.done
        ]
        failed = [{"device": device, "step": failure.step, "error": str(failure)} for device, failure in self.failed.items()]
        return {"done": done, "failed": failed}


def files(site: Path, bench: Path) -> tuple[Site, Bench, Access]:
    """The three files of a run. Raises FileMistakes, one that cannot be read among them."""
    try:
        commune, own = site_files.load(site), settings.load(bench)
    except OSError as exc:
        raise FileMistakes([_unreadable(exc)]) from None
    try:
        access = load_access(own.gateway)
    except OSError as exc:
        raise FileMistakes([f"{_unreadable(exc)}; the gateway makes it: keng broker accounts --user bench --json"]) from None
    person = commune.person(own.user)
    if person is None or person.role not in ("technician", "chief"):
        raise FileMistakes([f"{bench}: user: expected a technician of the site file, got {own.user!r}"])
    return commune, own, access


def plan(
    words: list[str],
    *,
    site: Path,
    bench: Path,
    board: str,
    firmware: Path | None = None,
    bundle: Path | None = None,
    replace: bool = False,
    update: bool = False,
) -> Plan:
    """What the command line asks for, checked before any board is touched. Raises FileMistakes, CannotBegin, OSError."""
    commune, own, access = files(site, bench)
    if board not in BOARDS:
        raise FileMistakes([f"--board: expected one of {', '.join(BOARDS)}, got {board!r}"])
    jobs = _jobs(words, replace=replace)
    wrong = [
        f"bench: boards.{job.device}: {why}" for job in jobs for why in points.misfits(settings.config(own, commune, job.device, ""), board)
    ]
    if wrong:
        raise FileMistakes(wrong)
    try:
        image = None if update else images.for_board(images.read(firmware) if firmware else _known_image(board), board)
        trusted = tuple(_trusted(key) for key in own.trusted)
        program = _bundle(bundle, trusted, board) if bundle else release_commands.built(board)
    except (ImageError, PackageError) as exc:
        raise FileMistakes([str(exc)]) from None
    except OSError as exc:
        raise FileMistakes([_unreadable(exc)]) from None
    return Plan(jobs, Materials(board, image, program, own, commune, trusted), access, Updater if update else Flasher)


def carry_out(plan: Plan, *, press_s: int | None, quiet: bool = False) -> Outcome:
    """Do it, all boards at once. Ctrl-C ends it: each board then says at which step. Raises CannotBegin."""
    tools = Tools()
    screen = _Screen(sys.stderr, [job.device for job in plan.jobs], quiet=quiet, stopped=lambda: tools.stopped)
    asks = not quiet and sys.stdin.isatty() and press_s is not None
    try:
        with (
            stopping(tools),
            Desk(plan.access, plan.materials.site.id, plan.materials.bench.user, stopped=lambda: tools.stopped) as desk,
            screen,
        ):
            flasher = plan.flasher(tools, desk, plan.materials, Hands(press_s, screen.heard if asks else None), screen.tell)
            return _all(flasher, plan.jobs, screen.tell)
    except DeskFailed as exc:
        raise CannotBegin(str(exc)) from None
    except Interrupted:
        raise CannotBegin("interrupted before any board was touched") from None


@contextmanager
def stopping(tools: Tools) -> Iterator[None]:
    """What would end this program ends its tools instead, and each board says how far it has come."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stays = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # nohup keng device flash ...
    chosen = [number for number in STOPS if not (stays and number == signal.SIGHUP)]
    before = {number: signal.signal(number, lambda *_: tools.stop()) for number in chosen}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_labels(path: Path, font: Path | None) -> None:
    """Raises FileMistakes where labels could not be written afterwards."""
    try:
        label.pdf([], font=font)
        with path.open("ab"):
            pass
    except label.NoFont as exc:
        raise FileMistakes([str(exc)]) from None
    except OSError as exc:
        raise FileMistakes([f"{exc.filename}: expected a file that can be written, got: {exc.strerror}"]) from None


def write_labels(path: Path, plan: Plan, outcome: Outcome, *, font: Path | None, now: datetime) -> None:
    """The labels of the boards that are done. Raises OSError."""
    site = plan.materials.site
    found = []
    for one in outcome.done:
        place = site.place_of(one.device)
        kind = next(board.kind for board in site.boards if board.id == one.device)
        found.append(Label(site.id, one.device, kind, place.name, place.address, one.mac, one.generation, f"{now:%d/%m/%Y}"))
    path.write_bytes(label.pdf(found, font=font))


def _all(flasher: Flasher, jobs: list[Job], tell: Tell) -> Outcome:
    def attempt(job: Job) -> Done | FlashFailed:
        try:
            return flasher.run(job)
        except FlashFailed as exc:
            tell(job.device, exc.step, f"failed: {exc}", None)  # now, and not when those before it are done
            return exc

    with ThreadPoolExecutor(min(AT_ONCE, len(jobs)), thread_name_prefix="board") as boards:
        ends = list(zip(jobs, boards.map(attempt, jobs), strict=True))
    done = [end for _, end in ends if isinstance(end, Done)]
    return Outcome(done, {job.device: end for job, end in ends if isinstance(end, FlashFailed)})


def _jobs(words: list[str], *, replace: bool) -> list[Job]:
    """Raises FileMistakes, CannotBegin."""
    named = [word.partition("=") for word in words]
    for what, values in (("board", [device for device, _, _ in named]), ("port", [port for _, _, port in named if port])):
        if doubled := next((value for value in values if values.count(value) > 1), None):
            raise FileMistakes([f"expected each {what} once, got {doubled} twice"])
    taken = [port for _, _, port in named if port]
    open_ends = [device for device, _, port in named if not port]
    free = [port.device for port in serial_ports.found() if port.device not in taken] if open_ends else []
    if len(free) != len(open_ends):
        wanted = f"expected as many boards on USB as {', '.join(open_ends)}, found {len(free)}: {', '.join(free) or 'none'}"
        raise CannotBegin(f"{wanted}; or say which is where: {open_ends[0]}=/dev/ttyUSB0")
    given = dict(zip(open_ends, free, strict=True))
    return [Job(device, port or given[device], replace) for device, _, port in named]


def _unreadable(exc: OSError) -> str:
    return f"{exc.filename}: expected a file that can be read, got: {exc.strerror}" if exc.filename else str(exc)


def _known_image(board: str) -> images.Image:
    catalogue = images.default_catalogue()
    return images.stored(catalogue, images.load(catalogue).entry(board))


def _trusted(path: Path) -> PublicKey:
    """A key that boards can check signatures with: their arithmetic knows one exponent."""
    try:
        key = package.load_public(path)
    except OSError as exc:
        raise PackageError(f"bench: trusted: {path}: expected a file that can be read, got: {exc.strerror}") from None
    if key.e != filesystem.EXPONENT:
        raise PackageError(f"{path}: expected a key with the exponent {filesystem.EXPONENT}, got {key.e}")
    return key


def _bundle(path: Path, trusted: tuple[PublicKey, ...], board: str) -> Package:
    if not trusted:
        raise PackageError("bench: trusted: expected the public key of whoever signs bundles, got none")
    found = package.read(path.read_bytes(), trusted)
    if found.board != board:
        raise PackageError(f"{path}: expected a bundle for {board}, got one for {found.board}")
    return found


class _Screen:
    """Progress: a bar for each board on a terminal, lines elsewhere. Safe from several threads: one question at a time, which keeps no
    other board waiting.
    """

    def __init__(self, out: TextIO, devices: list[str], *, quiet: bool, stopped: Callable[[], bool] = lambda: False) -> None:
        self._out = out
        self._quiet = quiet
        self._stopped = stopped
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._last: dict[str, tuple[str, str, int]] = {}
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        if out.isatty() and not quiet:
            self._bars = Progress(
                TextColumn("{task.fields[device]:<10}"), BarColumn(), TextColumn("{task.description}"), console=Console(file=out)
            )
            self._tasks = {device: self._bars.add_task("waits", total=100, device=device) for device in devices}

    def __enter__(self) -> None:
        self._live: AbstractContextManager[Any] = self._bars or nullcontext()
        self._live.__enter__()

    def __exit__(self, *exc: Any) -> None:
        self._live.__exit__(*exc)

    def tell(self, device: str, step: Step, words: str, percent: float | None) -> None:
        """A board has come so far."""
        if self._quiet:
            return
        with self._lock:
            if self._bars:
                self._bars.update(self._tasks[device], description=f"{step} {words}", completed=percent or 0)
                return
            told = (step, words, int((percent or 0) * LATEST / 100))
            if self._last.get(device) != told:
                self._last[device] = told
                far = "" if percent is None or step == "done" else f" {percent:.0f} %"
                self._out.write(f"{device:<10} {step:<9} {words}{far}\n")
                self._out.flush()

    def heard(self, device: str, output: str) -> bool:
        """Ask the person at the bench whether an output was seen or heard. Raises Interrupted once the work is stopped."""
        with self._asking:
            with self._lock:
                if self._bars:
                    self._bars.stop()
                self._out.write(f"{device}: {output} was switched on. Seen or heard? [y/n] ")
                self._out.flush()
            try:
                return typed(self._stopped) in YES
            finally:
                with self._lock:
                    if self._bars:
                        self._bars.start()


def typed(stopped: Callable[[], bool]) -> str:
    """The next line that is typed. Raises Interrupted once the work is stopped."""
    while not stopped():
        if select.select([sys.stdin], [], [], LOOK_S)[0]:
            return sys.stdin.readline().strip().lower()
    raise Interrupted
