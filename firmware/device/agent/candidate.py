"""The candidate: the whole configuration as an order would have it, in a file of the journal's folder until its trial is over.

Loaded to write one, and at a start to see which configuration it uses; and thrown away.
"""

from agent import canonical, identity
from agent.trial import NAME, NEW, OLD, TRIES, Trial
from protocol.topics import is_id


def store(files, ident, fields):
    """Let the next start try the candidate that the order `ident` has made. Raises OSError."""
    before = _find(files)
    if before:  # no start could count its tries
        files.remove(NAME % before)
    files.compose(NAME % (NEW, 0, ident), lambda file: canonical.write(fields, file.write))


def begin(path, files, folder, read, faults):
    """(config, trial or None): what this start uses, the file at `path` or the candidate of a trial. Adds to `faults`, in words.

    `read`: config.read.
    """
    kind = last_kind(files)
    going = _step(lambda: _counted(files), faults)
    settings, problem = read("%s/%s" % (folder, going.name) if going and going.turn == NEW else path, kind)
    if problem and going and going.turn == NEW:
        faults.append(problem)  # it was in order when it was written
        going = _step(going.give_way, faults)
        settings, problem = read(path, kind)
    if problem:
        faults.append(problem)
    settings.path = path
    return settings, going


def last_kind(files):
    """What the start before was, in a word that nobody has checked; None where it is not there."""
    try:
        return str(files.read(identity.NAME), "utf-8").split()[2]
    except (OSError, ValueError, IndexError):
        return None


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
    found = None
    for name in files.each():
        words = name.split(".")
        if len(words) == 3 and words[0] in (NEW, OLD) and words[1] in [str(tries) for tries in range(TRIES + 1)] and is_id(words[2]):
            found = words[0], int(words[1]), words[2]
    return found
