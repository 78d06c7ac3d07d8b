"""The header of a bundle, in a file of the flash with its signature behind it: checked line by line. protocol/package.py has the format."""

import sys

from protocol.updates import parse_version

MAGIC = b"keng-bundle 1\n"
LINE_MAX = 200
NAMES = (b"version", b"board", b"mpy", b"released")
NEEDED = "main.mpy"
LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789_/"
ENDS = (b".mpy", b".romfs")


class Manifest:
    """Of the bundle whose header is in the file. What is not for this board raises ValueError, whose text says what was expected.

    `version`: of the bundle. `place`: where the line of the next file begins.
    """

    def __init__(self, path, board, oldest):
        """`oldest`: version that may come, or None for any. Raises OSError."""
        self._path = path
        values = []
        with open(path, "rb") as file:
            if file.readline(LINE_MAX) != MAGIC:
                raise ValueError("header: expected %s" % str(MAGIC[:-1], "utf-8"))
            for name in NAMES:
                word, _, value = file.readline(LINE_MAX).partition(b" ")
                if word != name or not value.endswith(b"\n"):
                    raise ValueError("header: expected %s" % str(name, "utf-8"))
                values.append(str(value[:-1], "utf-8"))
            self.place = file.tell()
        self.version = values[0]
        if values[1] != board:
            raise ValueError("board: expected %s, got %s" % (board, values[1]))
        mpy = getattr(sys.implementation, "_mpy", 6) & 0xFF
        if values[2] != str(mpy):
            raise ValueError("mpy: expected %d, got %s" % (mpy, values[2]))
        if oldest and parse_version(self.version) < parse_version(oldest):
            raise ValueError("version: expected %s or newer, got %s" % (oldest, self.version))

    def total(self):
        """Bytes of all files. Raises OSError."""
        size, place = 0, self.place
        found = False
        line = self.take()
        while line:
            size += line[1]
            found = found or line[2] == NEEDED
            line = self.take()
        if not found:
            raise ValueError("header: expected %s" % NEEDED)
        self.place = place
        return size

    def take(self):
        """(hash, bytes, path on the board) of the next file, or None after the last. Raises OSError."""
        with open(self._path, "rb") as file:
            file.seek(self.place)
            line = file.readline(LINE_MAX)
            self.place = file.tell()
        if line == b"end\n":
            return None
        words = line[:-1].split(b" ")
        if len(words) != 4 or words[0] != b"file" or len(words[1]) != 64 or not words[2].isdigit() or not _is_path(words[3]):
            raise ValueError("header: expected a line of a file")
        return str(words[1], "utf-8"), int(words[2]), str(words[3], "utf-8")


def _is_path(path):
    if not path.endswith(ENDS[0]) and not path.endswith(ENDS[1]):
        return False
    for part in path.rpartition(b".")[0].split(b"/"):
        if not part:
            return False
        for letter in part:
            if letter not in LETTERS:
                return False
    return True
