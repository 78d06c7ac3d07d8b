"""A change of the configuration: what an order of it comes to, and what a start finds of it. Loaded for that, and thrown away.

The candidate, the whole configuration as it would be, waits in a file of the journal's folder whose name says how far its trial is.
"""

from agent import config, fit
from agent.trial import NAME, NEW, OLD, TRIES, Trial
from protocol.topics import is_id
from protocol.wire import shown

FIXED = ("site", "device", "server_name")  # a board of another name is another board, and no order ends TLS


def propose(path, fields):
    """(bytes of the candidate, None), or (None, why not): the file at `path` with `fields` in the place of its own.

    Everything is checked, before anything is written: each field, and whether kind and points fit this board type.
    """
    try:
        present = config.load(path)
    except (OSError, config.ConfigError) as exc:
        return None, "%s: %s" % (path, exc)
    merged = dict(present)
    merged.update(fields)
    try:
        _check(present, merged, fields)
        return config.bytes_of(merged), None
    except config.ConfigError as exc:
        return None, str(exc)


def store(files, ident, data):
    """Let the next start try the candidate that the order `ident` has made. Raises OSError."""
    before = _find(files)
    if before:  # no start could count its tries
        files.remove(NAME % before)
    files.write(NAME % (NEW, 0, ident), data)


def begin(path, files, folder, faults):
    """(config, trial or None): what this start uses, the file at `path` or the candidate of a trial. Adds to `faults`, in words."""
    going = _step(lambda: _counted(files), faults)
    settings, problem = config.read("%s/%s" % (folder, going.name) if going and going.turn == NEW else path)
    if problem and going and going.turn == NEW:
        faults.append(problem)  # it was in order when it was written
        going = _step(going.give_way, faults)
        settings, problem = config.read(path)
    if problem:
        faults.append(problem)
    settings.path = path
    return settings, going


def _step(step, faults):
    """What step() gives; None if it cannot be written: a try that is not counted could be repeated for ever."""
    try:
        return step()
    except OSError as exc:
        faults.append("change of the configuration: not written (%s)" % exc)
        return None


def _counted(files):
    """The trial.Trial that goes on, this start already counted in flash, or None. Raises OSError."""
    found = _find(files)
    return Trial(files, *found).count() if found else None


def _find(files):
    """(turn, tries, id) of the candidate, or None."""
    for name in files.each():
        words = name.split(".")
        if len(words) == 3 and words[0] in (NEW, OLD) and words[1] in [str(tries) for tries in range(TRIES + 1)] and is_id(words[2]):
            return words[0], int(words[1]), words[2]
    return None


def _check(present, merged, fields):
    """Raises ConfigError."""
    read = config.build(merged)
    for key in FIXED:
        if merged.get(key) != present.get(key):
            raise config.ConfigError("%s: expected %s, got %s" % (key, shown(present.get(key)), shown(merged.get(key))))
    for key in config.unknown(fields):
        raise config.ConfigError("%s: not a key of the configuration" % (key,))
    for why in _misfits(read):
        raise config.ConfigError(why)


def _misfits(read):
    import pins

    kind = __import__("kinds." + read.kind, None, None, ("POINTS",))
    return [why for _, why in fit.problems(read.kind, kind, read.points, pins)]
