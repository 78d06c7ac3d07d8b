"""Which of the two folders of the program runs, and how its newest update stands: one line of one file, changed by one rename each time.

    a kept                                            as the bench has left it
    b trial <starts> <tries> <bundle> <order>         b is on trial; a start counts itself before it runs it (firmware/bench/filesystem.py)
    a control 0 <tries> <bundle> <order>              b could not prove itself; a shows whether anybody is there to prove it to
    a failed <starts> <tries> <bundle> <order>        b had its starts: the launcher has gone back
    a rolled_back 0 <tries> <bundle> <order> <why>    b was to blame
    b kept 0 <tries> <bundle> <order>                 b has proved itself

Thrown away after the start; loaded again by whoever changes the line.
"""

import errno
import sys
from collections import namedtuple

from agent.files import Files

ROOT = "/app"
FILE = "use"
MARKER = "verified"  # in a folder that is whole: "<bundle> <version>"
FOLDERS = ("a", "b")
KEPT, TRIAL, CONTROL, FAILED, ROLLED_BACK = "kept", "trial", "control", "failed", "rolled_back"
STARTS = 3  # of a version on trial: what the launcher counts up to

Use = namedtuple("Use", ("folder", "phase", "starts", "tries", "bundle", "order", "error"))
Version = namedtuple("Version", ("folder", "bundle", "version"))


def load(root):
    """The Use, or None where the launcher knows of no updates: a board of an older bench. Raises OSError."""
    try:
        words = str(Files(root).read(FILE), "utf-8").split(" ", 6)
    except ValueError:
        return None
    except OSError as exc:
        if exc.args[0] == errno.ENOENT:
            return None
        raise
    words += ["", "0", "0", "", "", ""][len(words) - 1 :]
    folder, phase, starts, tries, bundle, order, error = words
    if folder not in FOLDERS or not starts.isdigit() or not tries.isdigit():
        return None
    return Use(folder, phase, int(starts), int(tries), bundle, order, error)


def save(root, use):
    """Raises OSError."""
    Files(root).write(FILE, (" ".join([str(word) for word in use])).strip().encode())


def switch(root, folder, bundle, order):
    """The next start tries this folder. Raises OSError."""
    save(root, Use(folder, TRIAL, 0, 1, bundle, order, ""))


def other(folder):
    """The folder that is not this one."""
    return FOLDERS[folder == FOLDERS[0]]


def running(root):
    """The Version that runs; its folder is None where the program is not in one of the two."""
    for folder in FOLDERS:
        if "%s/%s" % (root, folder) in sys.path:
            try:
                bundle, version = str(Files("%s/%s" % (root, folder)).read(MARKER), "utf-8").split()
                return Version(folder, bundle, version)
            except (OSError, ValueError):
                return Version(folder, None, None)
    return Version(None, None, None)


def begin(root, files, faults):
    """(Version, what births tell of the newest update or None, gate.Gate or None), as a start finds it. `files`: the journal's."""
    now = running(root)
    try:
        use = load(root)
        if use and now.folder and (use.phase == FAILED or (use.phase == TRIAL and use.folder != now.folder)):
            use = _failed(root, use, now.folder, files)
    except OSError as exc:
        if now.folder:
            faults.append("update: not readable (%s)" % exc)
        return now, None, None
    if use is None or not use.bundle:
        return now, None, None
    gate = None
    if use.folder == now.folder and use.phase in (TRIAL, CONTROL):
        from agent.gate import Gate

        gate = Gate(root, use)
    return now, told(use), gate


def told(use):
    """What births tell of it."""
    state = KEPT if use.phase == KEPT else ROLLED_BACK if use.phase == ROLLED_BACK else TRIAL
    found = {"bundle": use.bundle, "state": state}
    if use.error:
        found["error"] = use.error
    return found


def _failed(root, use, folder, files):
    """The launcher has gone back, to `folder`. The crashes that it counted are not of this version: it needs no safe mode for them."""
    from agent import blackbox

    blackbox.change(files, None, None, [])
    error = "%d starts without a receipt" % use.starts if use.phase == FAILED else "a start could not be counted"
    use = Use(folder, ROLLED_BACK, 0, use.tries, use.bundle, use.order, error)
    save(root, use)
    return use
