"""The record of crashes in flash, one small file: the newest in words, and how long the starts ran that ended in the newest three.

Loaded when it is needed and thrown away again: at the start, at a crash, when something of it changes.
"""

import io
import sys

from agent.files import JOURNAL, Files

NAME = "crash"
LONGEST = 240  # as a birth carries it: protocol.wire.CRASH_MAX
MESSAGE = 120  # of it for the exception's own words
SAFE_CRASHES = 3
SAFE_WITHIN_S = 600  # of running time, from the first of them to the last


class Record:
    """`text`: the newest crash in words, "" for none. `told`: an engine knows it. `runs`: see the module; seconds, the newest last."""

    def __init__(self, text="", told=True, runs=()):
        self.text = text
        self.told = told
        self.runs = list(runs)

    def is_safe(self):
        """True if the board is to run in safe mode."""
        return len(self.runs) == SAFE_CRASHES and sum(self.runs[1:]) <= SAFE_WITHIN_S


def load(files):
    """The Record in flash; an empty one if there is none, or none that can be read."""
    try:
        head, _, text = str(files.read(NAME), "utf-8").partition("\n")
        words = head.split()
        return Record(text[-LONGEST:], words[0] == "told", [int(word) for word in words[1:]][-SAFE_CRASHES:])
    except (OSError, ValueError, IndexError):
        return Record()


def save(files, record):
    """Raises OSError."""
    words = ["told" if record.told else "new"] + [str(seconds) for seconds in record.runs]
    files.write(NAME, ("%s\n%s" % (" ".join(words), record.text)).encode())


def add(files, text, ran_s):
    """A start that has run for so long has ended in a crash. Raises OSError."""
    runs = load(files).runs
    save(files, Record(text, False, (runs + [ran_s])[-SAFE_CRASHES:]))


def change(files, text=None, told=None, runs=None):
    """Change what is given, keep the rest; nothing is written if nothing changes. Raises OSError."""
    old = load(files)
    new = Record(old.text if text is None else text, old.told if told is None else told, old.runs if runs is None else runs)
    if (new.text, new.told, new.runs) != (old.text, old.told, old.runs):
        save(files, new)


def fell(exc, ran_s):
    """The agent itself has ended with `exc` after so many seconds. Raises OSError."""
    add(Files(JOURNAL), words(exc), ran_s)


def begin(files, reason):
    """The Record as a start finds it, which began for this `reason` (board.Board.reset_reason).

    A watchdog that bites leaves no time for words, nor for how long the start has run: had it been long, nothing would be counted.
    """
    if reason == "watchdog":
        try:
            add(files, "watchdog: the board stood still", 0)
        except OSError as exc:
            return Record("watchdog: not kept (%s)" % exc, False)
    return load(files)


def words(exc):
    """An exception with where it came from, in at most LONGEST characters: the innermost frames, then type and message."""
    printed = io.StringIO()
    sys.print_exception(exc, printed)
    return tail(printed.getvalue())


def tail(traceback):
    """The end of a printed traceback as one line: 'agent/points.py:12 sense; KeyError: x'. Without line number where there is none."""
    frames = []
    last = ""
    for line in [row.strip() for row in traceback.split("\n")]:
        if line.startswith('File "'):
            path, _, rest = line[6:].partition('"')
            where = [word.strip() for word in rest.split(",")]
            number = where[1][5:] if len(where) > 1 else ""
            function = where[2][3:] if len(where) > 2 else ""
            frames.append("%s%s %s" % (path, ":" + number if number > "1" else "", function))
        elif line:
            last = line
    text = last[:MESSAGE]
    while frames:
        longer = "%s; %s" % (frames.pop(), text)
        if len(longer) > LONGEST:
            break
        text = longer
    for letter in text:  # not in a list of letters, see wire.clean: this runs when memory lacks
        if not " " <= letter <= "~":
            text = text.replace(letter, "?")
    return text
