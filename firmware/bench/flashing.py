"""A board from blank to working: identified, given a certificate, written, tried, seen online, its test event receipted, recorded.

Whatever stops it, it says at which step, and the same command again begins from the start and finishes: nothing is kept between runs but
what engine and board know.
"""

import base64
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware.bench import filesystem, points, selftest, settings
from firmware.bench.desk import Desk, DeskFailed
from firmware.bench.images import BOARDS, Image
from firmware.bench.settings import Bench
from firmware.bench.tools import BAUD, Interrupted, ToolFailed, Tools, percent
from protocol.boards import BoardAnswer, Flashed
from protocol.config import BoardConfig
from protocol.package import Package, PublicKey
from protocol.site import Site
from protocol.wire import clean

Step = Literal["identify", "register", "write", "start", "self-test", "online", "receipt", "record", "done"]
IDENTIFY_S = 40.0
REPL_S = 40.0
START_S, TRIES = 2.0, 3  # of MicroPython after a reset
ONLINE_S = 90.0
SLACK_S = 60.0  # of a write, beyond the time that its bytes take on the line
MAC = re.compile(r"^MAC: +((?:[0-9a-f]{2}:){5}[0-9a-f]{2})$")
FLASH_SIZE = re.compile(r"flash size: *(\d+)MB")
VERIFIED = "Hash of data verified"
NO_CONSOLE = "could not enter raw repl"
REMEDIES = (
    ("in use by another program", "another program has the port: close it"),
    ("Could not exclusively lock port", "another program has the port: close it"),
    ("No such file or directory", "no board on this port: plug it in"),
    ("This chip is", "another board type: choose it with --board, or take another board"),
    ("Wrong chip argument", "another board type: choose it with --board, or take another board"),
    ("will not fit", "this board has too little flash for the image"),
    ("Failed to connect", "hold its BOOT button while this runs, or try another cable"),
    ("No more data", "the board stopped answering: look at cable and supply, then run this again"),
    ("No serial data received", "the board does not answer: look at cable and supply, hold its BOOT button"),
    (NO_CONSOLE, "MicroPython does not answer: look at cable and supply, then run this again"),
    ("does not answer", "look at cable and supply, then run this again"),
    ("write timeout", "the board stopped answering: look at cable and supply, then run this again"),
)


class FlashFailed(Exception):
    """A board is not done. `step`: where; the text says what was expected, what came, and what to do."""

    def __init__(self, step: Step, text: str) -> None:
        super().__init__(text)
        self.step = step


class Job(NamedTuple):
    """`replace`: this board takes the place of another."""

    device: str
    port: str
    replace: bool = False


class Done(NamedTuple):
    """A board that works."""

    device: str
    mac: str
    generation: int
    result: Flashed
    took_s: float


class Materials(NamedTuple):
    """What goes on every board of this run. `board`: the board type; `image` None: MicroPython stays; `trusted`: who may sign updates over
    the air.
    """

    board: str
    image: Image | None
    package: Package
    bench: Bench
    site: Site
    trusted: tuple[PublicKey, ...] = ()


class Hands(NamedTuple):
    """Who is at the boards. `press_s`: how long somebody has for each point; None: nobody, points are skipped.

    `heard(device, output)`: asks whether an output that nothing senses was seen or heard; None: nobody is asked.
    """

    press_s: int | None = selftest.PRESS_S
    heard: Callable[[str, str], bool] | None = None


class Worked(NamedTuple):
    """What the steps of a job have come to."""

    mac: str
    generation: int
    result: Flashed


Tell = Callable[[str, Step, str, float | None], None]  # device, step, words, percent


class Begin(Protocol):
    """Called as each step begins."""

    def __call__(self, step: Step, words: str = "", /) -> None: ...  # noqa: D102


@dataclass
class _Board:
    """What is known of the board of a job on the way."""

    mac: str = ""
    key: bytes = b""
    certificates: BoardAnswer | None = None
    config: BoardConfig | None = None


class Flasher:
    """Does jobs, also several at once from several threads. `tell` gets each step as it begins, and how far it is."""

    def __init__(self, tools: Tools, desk: Desk, materials: Materials, hands: Hands, tell: Tell) -> None:
        self._tools = tools
        self._desk = desk
        self._materials = materials
        self._hands = hands
        self._tell = tell

    def run(self, job: Job) -> Done:
        """Raises FlashFailed."""
        started = time.monotonic()
        step: Step = "identify"

        def begin(next_step: Step, words: str = "") -> None:
            nonlocal step
            step = next_step
            self._tell(job.device, step, words, None)

        try:
            worked = self._steps(job, begin)
        except ToolFailed as exc:
            raise FlashFailed(step, _with_remedy(exc)) from None
        except (DeskFailed, OSError) as exc:
            raise FlashFailed(step, str(exc)) from None
        except Interrupted:
            raise FlashFailed(step, "interrupted; the same command again begins anew and finishes") from None
        done = Done(job.device, worked.mac, worked.generation, worked.result, time.monotonic() - started)
        self._tell(job.device, "done", f"{done.took_s:.0f} s", 100.0)
        return done

    def _steps(self, job: Job, begin: Begin) -> Worked:
        begin("identify")
        board = _Board(mac=self._identify(job))
        begin("register", board.mac)
        self._register(job, board)
        begin("write")
        self._write(job, board)
        begin("start")
        self._check(job, board)
        begin("self-test")
        result = self._try(job, board)
        begin("online")
        self._go_online(job)
        begin("receipt")
        self._desk.ask("self_test", device=job.device)
        begin("record")
        self._desk.ask("flashed", device=job.device, mac=board.mac, flashed=result, told=board.config.told() if board.config else None)
        return Worked(board.mac, (board.certificates.generation if board.certificates else None) or 0, result)

    def _identify(self, job: Job) -> str:
        """The board's MAC; chip and flash are those that the image needs."""
        image = self._materials.image
        lines = self._tools.esptool(job.port, BOARDS[self._materials.board][0], ["flash-id"], deadline_s=IDENTIFY_S)
        mac = next((found[1] for line in lines if (found := MAC.match(line))), None)
        size = next((int(found[1]) for line in lines if (found := FLASH_SIZE.search(line))), None)
        if mac is None or size is None:
            raise ToolFailed("expected esptool to tell MAC and flash size, got neither", lines)
        if image and size << 20 < image.flash_bytes:
            raise ToolFailed(f"expected {image.flash_bytes >> 20} MB of flash for this image, got {size} MB: it will not fit")
        return mac.replace(":", "")

    def _register(self, job: Job, board: _Board) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, job.device)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        board.key = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        asked = base64.b64encode(request.public_bytes(serialization.Encoding.DER)).decode()
        board.certificates = self._desk.ask("register", device=job.device, mac=board.mac, request=asked, replace=job.replace)
        server_name = board.certificates.server_name or ""
        board.config = settings.config(self._materials.bench, self._materials.site, job.device, server_name)

    def _write(self, job: Job, board: _Board) -> None:
        """Firmware and file system in one run of esptool, each verified by its hash."""
        image, told = self._materials.image, board.certificates
        assert image and told is not None and board.config is not None  # noqa: S101, PT018  # of _register; an Updater has no image
        tls = {
            "ca.der": base64.b64decode(told.ca or ""),
            "board.der": base64.b64decode(told.certificate or ""),
            "key.der": board.key,
        }
        config = board.config.model_dump_json(exclude_defaults=True, exclude={"v"}).encode()
        jumper = points.jumper(self._materials.board)
        content = filesystem.files(self._materials.package, b'{"v":1,' + config[1:], tls, jumper, self._materials.trusted)
        with tempfile.TemporaryDirectory(prefix="keng-flash-") as folder:  # of this user alone: a key is in it
            files = Path(folder, "files.bin")
            files.write_bytes(filesystem.image(image.files_size, content))
            parts = [hex(image.offset), str(image.path), hex(image.files_offset), str(files)]
            verified = 0

            def heard(line: str) -> None:
                nonlocal verified
                verified += VERIFIED in line
                if (far := percent(line)) is not None:
                    self._tell(job.device, "write", "files" if verified else "firmware", far)

            deadline_s = SLACK_S + (image.size + image.files_size) * 10 / BAUD
            self._tools.esptool(job.port, image.chip, ["write-flash", "--erase-all", *parts], deadline_s=deadline_s, on_line=heard)
        if verified != 2:
            raise ToolFailed(f"expected esptool to verify firmware and files, got {verified} of 2")

    def _check(self, job: Job, board: _Board) -> None:
        """MicroPython runs, on this board, and has its files."""
        program = "import machine,os;print('keng',machine.unique_id().hex(),len(os.listdir('/tls')),len(os.listdir('/app/a')))"
        lines = woken(lambda: self._repl(job, program))
        told = next((line.split() for line in lines if line.startswith("keng ")), [])
        if len(told) != 4 or told[2] != "3":
            raise ToolFailed(f"expected MicroPython with the board's files, got {' '.join(told) or (lines or ['nothing'])[-1]}")
        if told[1] != board.mac:
            raise ToolFailed(f"expected the board {board.mac}, got {told[1]}: was another one plugged in?")

    def _try(self, job: Job, board: _Board) -> Flashed:
        """The self-test through the REPL. Raises ToolFailed with each point that has failed."""
        assert board.config is not None  # noqa: S101  of _register
        every, left = points.trials(board.config, self._materials.board)
        press_s = self._hands.press_s
        chosen = [trial for trial in every if press_s is not None or trial.how not in points.ASKED]
        result = selftest.Result()
        others: list[str] = []

        def heard(line: str) -> None:
            if not result.take(line):
                others.append(line)
            elif result.asked:
                self._tell(job.device, "self-test", result.asked, None)

        with tempfile.TemporaryDirectory(prefix="keng-flash-") as folder:
            file = Path(folder, "selftest.py")
            file.write_text(selftest.script(chosen, press_s=press_s or selftest.PRESS_S), encoding="utf-8")
            deadline_s = selftest.deadline_s(chosen, press_s=press_s or selftest.PRESS_S)
            self._tools.mpremote(job.port, ["run", str(file)], deadline_s=deadline_s, on_line=heard)
        if result.errors:
            raise ToolFailed("; ".join(f"{point}: {words}" for point, words in result.errors.items()))
        if result.uid != board.mac:
            raise ToolFailed(f"expected the self-test of {board.mac} to end, got: {(others or ['nothing'])[-1]}")
        self._ask_people(job, result)
        skipped = [*left, *(trial.point for trial in every if trial.point not in result.tested)]
        materials = self._materials
        return Flashed(
            board=materials.board,
            image=materials.image.version if materials.image else "",
            program=materials.package.digest,
            version=materials.package.version,
            port=clean(job.port),
            tested={**result.tested, **dict.fromkeys(skipped, "skipped")},
        )

    def _ask_people(self, job: Job, result: selftest.Result) -> None:
        for point in [point for point, how in result.tested.items() if how == "commanded"] if self._hands.heard else []:
            assert self._hands.heard is not None  # noqa: S101  asked in the line above
            if not self._hands.heard(job.device, point):
                raise ToolFailed(f"{point}: switched on, and nobody has seen or heard it")
            result.tested[point] = "heard"

    def _go_online(self, job: Job) -> None:
        """The program runs from now on, the console is closed, and the engine hears the board over TLS."""
        self._repl(job, f"open('/{filesystem.PROVISIONED}','w').close();import os;os.sync() if hasattr(os,'sync') else None")
        self._come_online(job)

    def _come_online(self, job: Job) -> None:
        """Start the board, and hear its birth."""
        since = time.monotonic()
        self._tools.mpremote(job.port, ["reset"], deadline_s=REPL_S)
        birth = self._desk.wait_birth(job.device, since=since, within_s=ONLINE_S)
        if birth is None:
            words = f"expected {job.device} to be online within {ONLINE_S:.0f} s, got nothing; look at wifi and brokers of the bench's file"
            raise ToolFailed(f"{words}, and at the broker's log")
        if birth.faults:
            self._tell(job.device, "online", f"says: {'; '.join(birth.faults)}", None)

    def _repl(self, job: Job, program: str) -> list[str]:
        return self._tools.mpremote(job.port, ["exec", program], deadline_s=REPL_S)


def woken(ask: Callable[[], list[str]]) -> list[str]:
    """What a board answers that has just been reset. What comes at its console before MicroPython runs is lost: so it is given time, and
    asked again. Raises ToolFailed.
    """
    for _ in range(TRIES - 1):
        time.sleep(START_S)
        try:
            return ask()
        except ToolFailed as exc:
            if not is_mute(exc):
                raise
    time.sleep(START_S)
    return ask()


def is_mute(exc: ToolFailed) -> bool:
    """Whether nobody has answered at the console."""
    return NO_CONSOLE in "\n".join([str(exc), *exc.lines])


def _with_remedy(exc: ToolFailed) -> str:
    told = "\n".join([str(exc), *exc.lines])
    remedy = next((words for sign, words in REMEDIES if sign in told), "")
    return f"{exc}; {remedy}" if remedy and remedy not in str(exc) else str(exc)
