"""Small files in one folder of the flash, each written whole: to `tmp`, closed, renamed. LittleFS and POSIX rename atomically.

Measured on LittleFS: 200 appends to one file cost 197 erases, 200 small files by rename 20. A cut at any write leaves the old file
or the new one; a left-over `tmp` is removed by `create`.
"""

import os

try:
    from os import ilistdir
except ImportError:  # CPython

    def ilistdir(folder):
        """(name, ...) of each file."""
        return [(name,) for name in os.listdir(folder)]


JOURNAL = "/journal"
TMP = "tmp"


class Files:
    """The files of a folder. Every method may raise OSError; a write may stall for 400 ms (a flash erase)."""

    def __init__(self, folder):
        self._folder = folder

    def create(self):
        """Make the folder if it is not there, and clear away what a cut has left."""
        try:
            os.mkdir(self._folder)
        except OSError:
            os.stat(self._folder)  # raises if it is missing for another reason than being there
        if TMP in self.names():
            self.remove(TMP)

    def names(self):
        """The names of all files, in no order."""
        return os.listdir(self._folder)

    def each(self):
        """The names of all files one by one, for a folder whose list would fill the heap. Nothing may change meanwhile.

        To be taken to the end: until then the folder is open, and the collector closes it, perhaps in the middle of a rename. LittleFS
        (lfs_rename) then puts back what it had found open, and writes to it.
        """
        for entry in ilistdir(self._folder):
            yield entry[0]

    def read(self, name):
        """The bytes of a file."""
        with open(self._path(name), "rb") as file:
            return file.read()

    def write(self, name, data):
        """Create or replace a file: after a cut it holds its old bytes or all of `data`."""
        self.compose(name, lambda file: file.write(data))

    def compose(self, name, write):
        """The same with what write(file) writes, in pieces."""
        with open(self._path(TMP), "wb") as file:
            write(file)
        os.rename(self._path(TMP), self._path(name))

    def rename(self, old, new):
        """Give a file another name."""
        os.rename(self._path(old), self._path(new))

    def move(self, name, path):
        """Give a file the place of another one, outside the folder: after a cut either is there, whole."""
        os.rename(self._path(name), path)

    def remove(self, name):
        """Delete a file."""
        os.remove(self._path(name))

    def _path(self, name):
        return self._folder + "/" + name
