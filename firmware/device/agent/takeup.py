"""Whether an order to update can be taken up. Loaded by the order and thrown away."""

import os
import sys

from agent import release
from agent.release import KEPT, ROLLED_BACK
from protocol.updates import decode_update, parse_version
from protocol.wire import DecodeError

TRUSTED = "/trusted"
NEEDED = 18_000 if sys.maxsize > 1 << 32 else 7_000  # bytes of the heap: what an update takes, and as much again for an alarm amid it
SPARE_BLOCKS = 48  # of the flash, besides the bundle: each file wants part of one, and the journal goes on


def check(parts, change, order):
    """(what a download.Download wants, None); or (None, why not): "busy: ..." if it may be asked again later; or (None, None) if it goes on
    already. `change`: the order whose change is not decided, or None.
    """
    try:
        wanted = decode_update(order.config)
        going = parts.download
        if going and going.bundle == wanted[0]:
            going.id = order.id
            return None, None
        why = _why_not(parts, change, wanted)
        if why is not None:
            return None, why or None
        import built

        bundle, size, _, downgrade = wanted
        return (bundle, size, built.BOARD, None if downgrade else parts.version, _idle(), release.ROOT, TRUSTED), None
    except DecodeError as exc:
        return None, str(exc)
    except OSError as exc:
        return None, "flash: %s" % exc


def _idle():
    return release.other(release.running(release.ROOT).folder)


def _why_not(parts, change, wanted):
    """In words, "" if it runs already, None if nothing is against it."""
    bundle, size, version, downgrade = wanted
    if parts.download:
        return "busy: update %s" % parts.download.bundle
    if parts.bell.is_alarming():
        return "busy: the bell sounds"
    if change:
        return "busy: change %s is on trial" % change
    root = release.ROOT
    now = release.running(root)
    use = release.load(root) if now.folder else None
    if use is None:
        return "flashed without updates over the air: flash it once more"
    if use.folder != now.folder or use.phase not in (KEPT, ROLLED_BACK):
        return "busy: update %s" % use.bundle
    if now.bundle == bundle:
        return ""
    if not downgrade and parse_version(version) < parse_version(parts.version):
        return "version: expected %s or newer, got %s" % (parts.version, version)
    if not _has_keys():
        return "no trusted key here"
    free = parts.board.free_memory()
    return _lack_of_room(root, size) if free >= NEEDED else "not enough memory: expected %d bytes, got %d" % (NEEDED, free)


def _has_keys():
    try:
        return bool(os.listdir(TRUSTED))
    except OSError:  # the bench makes no folder where there is no key
        return False


def _lack_of_room(root, size):
    block, _, _, free = os.statvfs(root)[:4]
    room = free + _blocks("%s/%s" % (root, _idle()), block)
    if size // block + SPARE_BLOCKS <= room:
        return None
    return "no room: expected %d kB, got %d" % ((size + SPARE_BLOCKS * block) // 1000, room * block // 1000)


def _blocks(folder, block):
    """How many blocks of the flash emptying the folder gives, at least."""
    count = 0
    try:
        for name in os.listdir(folder):
            path = "%s/%s" % (folder, name)
            mode, size = os.stat(path)[0], os.stat(path)[6]
            count += _blocks(path, block) if mode & 0x4000 else size // block
    except OSError:
        pass  # it is not there
    return count
