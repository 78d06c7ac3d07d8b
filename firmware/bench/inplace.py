"""A board that works gets another program through its console, and keeps everything else: identity, configuration, journal.

The jumper has to be in. The program goes into the folder that is not in use, in deflated pieces, and is verified there file by file; then
one rename makes it the one that runs. A board that is left in the middle goes on with what it had, and the same command again writes what
is missing.
"""

import base64
import hashlib
import json
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from firmware.bench import filesystem, points
from firmware.bench.flashing import REPL_S, Begin, Flasher, Job, Worked, is_mute, woken
from firmware.bench.tools import ToolFailed
from protocol.boards import Flashed
from protocol.wire import clean

PIECE = 4096  # bytes of a file in one piece: its script and what comes of it fit into the heap beside each other
WINDOW_BITS = 12  # of the deflated stream: 4 kB of the board's heap
SLOW_BAUD = 115_200  # of the console
WRITE_S = 120.0  # erasing and programming the flash, beyond the time that the bytes take on the line
FOLDERS = ("a", "b")
SAID = "keng "
UNDECIDED = ("trial", "control", "failed")  # firmware/device/agent/release.py: an update over the air is not over

# MicroPython. An hour for the technician: the watchdog of the launcher would end a long write.
_LOOK = f"""\
import json, machine, os
machine.WDT(timeout=3600000)
def read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
config = json.loads(read("/config.json") or "{{}}")
print("{SAID}" + json.dumps({{
    "uid": machine.unique_id().hex(), "device": config.get("device"), "use": read("/{filesystem.USE}"),
    "provisioned": "{filesystem.PROVISIONED}" in os.listdir("/"), "tls": len(os.listdir("/tls")) if "tls" in os.listdir("/") else 0,
}}))
"""
# Whatever of the folder is not as it shall be goes; what is there already is told.
_CLEAR = f"""\
import hashlib, json, os
WANTED = json.loads(%r)
def walk(folder):
    for name, kind, _, size in list(os.ilistdir(folder)):
        path = folder + "/" + name
        if kind == 0x4000:
            walk(path)
        elif WANTED.get(path[{len("/app/x/")}:]) != [size, digest(path)]:
            os.remove(path)
        else:
            print("{SAID}" + path[{len("/app/x/")}:])
def digest(path):
    hashed = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            piece = file.read(512)
            if not piece:
                return "".join(["%%02x" %% byte for byte in hashed.digest()])
            hashed.update(piece)
def make(path):
    try:
        os.mkdir(path)
    except OSError:
        pass
make("/app/%s")
try:
    os.remove("/app/%s/{filesystem.MARKER}")
except OSError:
    pass
for name in WANTED:
    if "/" in name:
        make("/app/%s/" + name.split("/")[0])
walk("/app/%s")
"""
_PIECE = f"""\
import binascii, deflate, io
with open(%r, %r) as file:
    file.write(deflate.DeflateIO(io.BytesIO(binascii.a2b_base64(%r)), deflate.ZLIB).read())
print("{SAID}%d")
"""
_WHOLE = """\
import hashlib, os
hashed = hashlib.sha256()
with open(%r, "rb") as file:
    while True:
        piece = file.read(512)
        if not piece:
            break
        hashed.update(piece)
if "".join(["%%02x" %% byte for byte in hashed.digest()]) != %r:
    raise ValueError("what was written is not what was sent: " + %r)
os.rename(%r, %r)
"""
# A key goes when the others are there; a board keeps those that it has if the bench names none.
_SWITCH = f"""\
import os
def put(path, data):
    try:
        with open(path, "rb") as file:
            if file.read() == data:
                return
    except OSError:
        pass
    with open("/app/tmp", "wb") as file:
        file.write(data)
    os.rename("/app/tmp", path)
keys = %r
if keys and "{filesystem.TRUSTED}" not in os.listdir("/"):
    os.mkdir("/{filesystem.TRUSTED}")
for name in keys:
    put("/{filesystem.TRUSTED}/" + name, keys[name])
for name in os.listdir("/{filesystem.TRUSTED}") if keys else ():
    if name not in keys:
        os.remove("/{filesystem.TRUSTED}/" + name)
for path, data in %r:
    put(path, data)
if hasattr(os, "sync"):
    os.sync()
"""


class Updater(Flasher):
    """As a Flasher, for boards that have an identity."""

    def _steps(self, job: Job, begin: Begin) -> Worked:
        begin("identify")
        before = next(iter(self._desk.ask("boards", device=job.device).boards or ()), None)
        if before and before.updating.startswith("trial "):
            raise _on_trial(before.updating.split()[1])  # before anything resets it: a version on trial has few starts
        mac = self._identify(job)  # and resets the board: it looks at its jumper then
        there = self._look(job, mac)
        folder = FOLDERS[there["use"].split(" ")[0] != FOLDERS[1]]
        begin("write")
        self._fill(job, folder)
        begin("start")
        self._switch(job, folder)
        begin("online")
        self._come_online(job)
        begin("receipt")
        self._desk.ask("self_test", device=job.device)
        begin("record")
        known, package = before.flashed if before else None, self._materials.package
        result = Flashed(
            board=self._materials.board,
            image=known.image if known else "unknown",
            program=package.digest,
            version=package.version,
            port=clean(job.port),
            tested=known.tested if known else {},
        )
        self._desk.ask("flashed", device=job.device, mac=mac, flashed=result)
        return Worked(mac, (before.generation if before else None) or 0, result)

    def _look(self, job: Job, mac: str) -> dict[str, Any]:
        """What the board says of itself. Raises ToolFailed if it is not the board that is meant, has no identity yet, or tries a version
        that came over the air: the other folder has what it falls back on. Then it goes on with its work.
        """
        there = self._said(job, mac)
        refusal = _refusal(job, there)
        if refusal:
            self._tools.mpremote(job.port, ["reset"], deadline_s=REPL_S)
            raise refusal
        return there

    def _said(self, job: Job, mac: str) -> dict[str, Any]:
        try:
            lines = woken(lambda: self._scripts(job, [_LOOK], deadline_s=REPL_S))
        except ToolFailed as exc:
            if not is_mute(exc):
                raise
            raise ToolFailed("expected an open console, got none: put the jumper in and run this again") from None
        there: dict[str, Any] = json.loads(next((line for line in lines if line.startswith(SAID)), SAID + "{}").removeprefix(SAID))
        if there.get("uid") != mac:
            raise ToolFailed(f"expected the board {mac}, got {there.get('uid') or (lines or ['nothing'])[-1]}")
        return there

    def _fill(self, job: Job, folder: str) -> None:
        """Write what is missing, and verify all of it."""
        files = self._materials.package.files
        wanted = {path: [len(content), hashlib.sha256(content).hexdigest()] for path, content in files.items()}
        lines = self._scripts(job, [_CLEAR % (json.dumps(wanted), *[folder] * 4)], deadline_s=WRITE_S)
        there = {line.removeprefix(SAID) for line in lines if line.startswith(SAID)}
        missing = {path: content for path, content in sorted(files.items()) if path not in there}
        scripts = list(_written(folder, missing))
        if scripts:
            deadline_s = WRITE_S + sum(map(len, scripts)) * 10 / SLOW_BAUD
            self._scripts(job, scripts, deadline_s=deadline_s, count=sum(_pieces(content) for content in missing.values()))

    def _switch(self, job: Job, folder: str) -> None:
        """The keys and the launcher of this bench, and which folder it is to run: last."""
        package = self._materials.package
        files = [
            (f"/app/{folder}/{filesystem.MARKER}", f"{package.digest} {package.version}".encode()),
            ("/boot.py", filesystem.BOOT.encode()),
            ("/main.py", filesystem.main(points.jumper(self._materials.board))),
            (f"/{filesystem.USE}", f"{folder} kept".encode()),
        ]
        self._scripts(job, [_SWITCH % (filesystem.keys(self._materials.trusted), files)], deadline_s=REPL_S)

    def _scripts(self, job: Job, scripts: list[str], *, deadline_s: float, count: int = 0) -> list[str]:
        """Run programs on the board, one after the other in one call of mpremote; `count`: how many pieces they write."""
        heard: list[str] = []
        done = 0

        def on_line(line: str) -> None:
            nonlocal done
            heard.append(line)
            if count and line.startswith(SAID):
                done += 1
                self._tell(job.device, "write", "program", 100 * done / count)

        with tempfile.TemporaryDirectory(prefix="keng-update-") as place:
            words: list[str] = []
            for number, script in enumerate(scripts):
                file = Path(place, f"{number}.py")
                file.write_text(script, encoding="utf-8")
                words += [*(["+"] if words else []), "run", str(file)]
            self._tools.mpremote(job.port, words, deadline_s=deadline_s, on_line=on_line)
        return heard


def _refusal(job: Job, there: dict[str, Any]) -> ToolFailed | None:
    """Why a board that says this is not updated, None if nothing is against it."""
    if not there["provisioned"] or there["tls"] != 3:
        return ToolFailed("expected a board that was set up, got one without identity: keng device flash")
    if there["device"] != job.device:
        return ToolFailed(f"expected {job.device} on this port, got {there['device']}")
    words: list[str] = [*there["use"].split(" "), *[""] * 4]
    return _on_trial(words[4]) if words[1] in UNDECIDED else None


def _on_trial(bundle: str) -> ToolFailed:
    return ToolFailed(
        f"expected no version on trial, got {bundle} on trial; leave the board until keng device show says kept or rolled_back "
        "(a quarter of an hour at most, once it hears the gateway), then run this again"
    )


def _pieces(content: bytes) -> int:
    return max(1, -(-len(content) // PIECE))


def _written(folder: str, files: dict[str, bytes]) -> Iterator[str]:
    """The programs that write files on the board, each whole under its name or not at all."""
    for path, content in files.items():
        target = f"/app/{folder}/{path}"
        for number in range(_pieces(content)):
            squeezer = zlib.compressobj(9, zlib.DEFLATED, WINDOW_BITS)
            piece = content[number * PIECE : (number + 1) * PIECE]
            data = base64.b64encode(squeezer.compress(piece) + squeezer.flush())
            yield _PIECE % (target + ".new", "ab" if number else "wb", data, number)
        yield _WHOLE % (target + ".new", hashlib.sha256(content).hexdigest(), path, target + ".new", target)
