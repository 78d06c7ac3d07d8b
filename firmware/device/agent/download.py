"""Fetches a bundle piece by piece into the folder of the program that does not run, and starts it on trial when all of it is in order.

Loaded by an order and thrown away when it is over. Before the header's signature is that of a trusted key, nothing but the header is
written; each file is compared with its hash as the flash gives it back. Every step is a chore of the keeper: it comes after each event, and
takes one write, or one squaring of the signature. While an alarm sounds or waits for its receipt nothing is done at all, nor while the
group has an incident, silenced or not.
"""

import hashlib
import os
from binascii import hexlify

from agent.files import Files
from agent.once import once
from protocol import topics, updates, wire
from protocol.wire import DecodeError

PIECE = 1_536  # bytes of one fetch, and of one write: in base64 they fit into what the link holds (mqtt_codec.HOLDS)
READ = 256
HEADER_MAX = 16_384
SIGNATURE = 384  # bytes behind it
LOADED = "agent.signature agent.manifest agent.release agent.blackbox"
MARKER = "verified"  # release.MARKER
ASK_MS = (5_000, 60_000)  # until a fetch is repeated: the first time, and the longest
HINDERED_MS = 1_000
GIVE_UP_MS = 3_600_000  # without a chunk: the engine has something else in mind, or is away; it repeats the order
HEADER, PART = "new", "part"  # in the folder above: header and signature; the same while it is not whole
END = b"\nend\n"


class Download:
    """`order`: its id. `wanted`: bundle and its size; the board's type and the oldest version that may come, or None for any; the folder
    to fill, the one above it, and that of the keys.
    """

    def __init__(self, parts, order, wanted):
        self._parts = parts
        self.id = order
        self.bundle, self._size, board, oldest, folder, root, trusted = wanted
        self._fits = (board, oldest)
        self._root = root
        self._trusted = trusted
        self._header = "%s/%s" % (root, HEADER)
        self._part = "%s/%s" % (root, PART)
        self._folder = folder
        self._idle = "%s/%s" % (root, self._folder)
        self._work = self._steps()
        self._is_at_work = False
        self._target = self._part  # where the piece belongs
        self._want = None  # (offset, size) of the fetch that has no chunk yet
        self._count = 0
        self._again = 0
        self._wait = ASK_MS[0]
        self._heard = parts.clock.now()
        self._tell("fetching")

    def poll(self, now):
        """Take the next step, if nothing else is to be done."""
        if self._is_hindered():
            return
        if self._want:
            self._ask(now)
        else:
            self._parts.keeper.chore(self._turn)
            self._is_at_work = True  # not before: there may be no memory for the chore, and it would be at work for ever

    def chunk(self, payload, now):
        """A chunk has come; `payload` is a view of the link's buffer, and goes from there into the flash: no 2 kB of the heap for it."""
        try:
            _, bundle, offset, text, error = updates.decode_chunk(payload)
        except DecodeError:
            self._parts.mail.refused += 1
            return
        if not self._want or bundle != self.bundle:
            return
        self._heard = self._again = now
        self._wait = ASK_MS[0]
        if error:
            self._end(None)
        elif self._is_hindered():
            self._again = now + HINDERED_MS
        elif offset == self._want[0] and updates.size_of(text) <= self._want[1]:
            self._want = None
            self._attempt(self._append, text)

    def _is_hindered(self):
        """Something else is to be done first."""
        return self._is_at_work or len(self._parts.keeper) or self._is_alarm()

    def _is_alarm(self):
        parts = self._parts
        return parts.bell.is_alarming() or parts.outbox.has_alarm() or parts.alarms.is_open()

    def _append(self, text):
        with open(self._target, "ab") as file:
            for piece in updates.pieces(text):
                file.write(piece)

    def _ask(self, now):
        mail = self._parts.mail
        if now - self._heard >= GIVE_UP_MS:
            self._end(None)
        elif not mail.up:
            self._again = now
            self._wait = ASK_MS[0]
        elif now >= self._again:
            self._count += 1
            offset, size = self._want
            config = self._parts.config
            payload = updates.encode_fetch(id="f-%d" % self._count, bundle=self.bundle, offset=offset, size=size)
            mail.session.publish(topics.device(config.site, config.device, "fetch"), payload)
            self._again = now + self._wait
            self._wait = min(2 * self._wait, ASK_MS[1])

    def _turn(self):
        """Somebody may have pressed since poll(): then this step, which may be the restart, has time."""
        self._is_at_work = False
        if self._work and not self._is_alarm() and not self._attempt(self._step) and self._work:
            self._end(None)  # it is over, and why could not be said: there was no memory for the words

    def _step(self):
        for _ in self._work:
            return True
        return False

    def _attempt(self, deed, *arguments):
        """What the deed gives; what it raises ends it all."""
        try:
            return deed(*arguments)
        except OSError as exc:
            self._end("flash: %s" % exc)
        except ValueError as exc:
            self._end(str(exc))
        except Exception as exc:
            self._parts.watch.caught(exc)
            self._end("not enough memory" if isinstance(exc, MemoryError) else type(exc).__name__)
        return False

    def _end(self, error):
        """Over: refused, or without an error given up for now. What is in flash stays there for another time."""
        self._work = None
        self._parts.download = None
        if error:
            error = wire.clean(error)
            self._parts.orders.answer(self.id, error)
        self._tell("refused" if error else None, error)

    def _tell(self, state, error=None):
        found = {"bundle": self.bundle, "state": state}
        if error:
            found["error"] = error
        self._parts.update = found if state else None
        self._parts.presence.announce(self._parts.clock.now())

    # The steps: each yields where others may have their turn.

    def _steps(self):
        _remove(self._idle + "/" + MARKER)  # what lies there may be another program, or a part of one
        if not self._is_here():
            yield from self._clear()
            yield from self._fetch_header()
        offset = os.stat(self._header)[6]
        try:
            check = once("agent.signature", "check", LOADED, self._header, offset - SIGNATURE, self._trusted)
            _require((yield from check), "signature: expected that of a trusted key, got another, or a changed header")
            check = None
            manifest = once("agent.manifest", "Manifest", LOADED, self._header, *self._fits)
            size = offset + manifest.total()
            _require(size == self._size, "size: expected %d bytes by the header, got %d by the order" % (size, self._size))
        except ValueError:
            _remove(self._header)
            raise
        yield
        line = manifest.take()
        while line:
            digest, size, path = line
            yield from self._fetch_file(offset, digest, size, path)
            offset += size
            line = manifest.take()
        Files(self._idle).write(MARKER, ("%s %s" % (self.bundle, manifest.version)).encode())
        self._tell("verified")
        yield
        # Crashes of this version say nothing of the next: in safe mode that would prove little.
        once("agent.blackbox", "change", LOADED, self._parts.files, None, None, [])
        # The line in flash first, and the restart a turn later: only when nothing sounds, and nobody has pressed meanwhile.
        self._parts.orders.keep(self.id)
        once("agent.release", "switch", LOADED, self._root, self._folder, self.bundle, self.id)
        yield
        self._parts.board.reset()

    def _is_here(self):
        """True if the header of this very bundle is in flash, whole."""
        try:
            return _name(_sha256(self._header, os.stat(self._header)[6] - SIGNATURE)) == self.bundle
        except OSError:
            return False

    def _clear(self):
        """The folder that does not run is emptied."""
        for name in (self._header, self._part):
            _remove(name)
        yield
        yield from _empty(self._idle)
        try:
            os.mkdir(self._idle)
        except OSError:
            os.stat(self._idle)
        yield

    def _fetch_header(self):
        total = None
        while total is None or _size(self._part) < total:
            offset = _size(self._part)
            _require(offset <= HEADER_MAX, "header: expected at most %d bytes" % HEADER_MAX)
            yield from self._fetch(self._part, offset, PIECE)
            total = _end_of(self._part)
            yield
        name = _name(_sha256(self._part, total - SIGNATURE))
        _require(name == self.bundle, "header: expected bundle %s, got %s" % (self.bundle, name))
        Files(self._root).compose(HEADER, lambda file: _copy(self._part, total, file))
        _remove(self._part)
        yield

    def _fetch(self, target, offset, size):
        """Append a piece of the bundle to a file."""
        self._target = target
        self._want = (offset, size)
        yield  # poll() asks, and goes on when it is there

    def _fetch_file(self, start, digest, size, path):
        target = "%s/%s" % (self._idle, path)
        _make_folders(self._idle, path)
        have = _size(target)
        is_fresh = have == 0
        while True:
            if have > size:
                _remove(target)
                have = 0
            while have < size:
                yield from self._fetch(target, start + have, min(PIECE, size - have))
                have = _size(target)
            if not size:
                with open(target, "wb"):
                    pass
            sha = hashlib.sha256()
            with open(target, "rb") as file:
                piece = file.read(READ)
                while piece:
                    sha.update(piece)
                    if not file.tell() & 0xFFF:
                        yield
                    piece = file.read(READ)
            if _hex(sha) == digest:
                return
            _remove(target)
            if is_fresh:
                raise ValueError("%s: expected the content of the header's hash, got another" % path)
            have, is_fresh = 0, True  # what was left of an earlier time is to blame, perhaps


def _require(holds, words):
    if not holds:
        raise ValueError(words)


def _name(sha):
    return _hex(sha)[: updates.BUNDLE_LENGTH]


def _sha256(path, size):
    """Of the first `size` bytes of a file. Raises OSError."""
    sha = hashlib.sha256()
    _read(path, size, sha.update)
    return sha


def _copy(path, size, file):
    _read(path, size, file.write)


def _read(path, size, take):
    """Give the first `size` bytes of a file to take(bytes), some at a time."""
    with open(path, "rb") as file:
        while size > 0:
            piece = file.read(min(size, READ))
            if not piece:
                return
            take(piece)
            size -= len(piece)


def _end_of(path):
    """How long header and signature are by what is in the file, None while the header's end is not there."""
    tail, place = b"", 0
    with open(path, "rb") as file:
        while True:
            piece = file.read(READ)
            if not piece:
                return None
            found = (tail + piece).find(END)
            if found >= 0:
                return place - len(tail) + found + len(END) + SIGNATURE
            tail = (tail + piece)[1 - len(END) :]
            place += len(piece)


def _hex(sha):
    return str(hexlify(sha.digest()), "utf-8")


def _size(path):
    try:
        return os.stat(path)[6]
    except OSError:
        return 0


def _remove(path):
    try:
        os.remove(path)
    except OSError:
        pass


def _make_folders(root, path):
    parts = path.split("/")[:-1]
    for count in range(len(parts)):
        try:
            os.mkdir("%s/%s" % (root, "/".join(parts[: count + 1])))
        except OSError:
            pass  # it is there, or the file will say why not


def _empty(folder):
    """Remove what is in a folder; yields after each."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        path = "%s/%s" % (folder, name)
        if os.stat(path)[0] & 0x4000:
            yield from _empty(path)
            os.rmdir(path)
        else:
            os.remove(path)
        yield
