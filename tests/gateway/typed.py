"""The command `keng` as it is typed, in this process: a new one takes a second."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import keng as command_line


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def keng(*words: str | Path) -> Done:
    """The command `keng`, in this process: a new one takes a second."""
    out, err = io.StringIO(), io.StringIO()
    with patch.object(sys, "argv", ["keng", *map(str, words)]), redirect_stdout(out), redirect_stderr(err):
        try:
            command_line.main()
        except SystemExit as exc:
            return Done(int(exc.code or 0), out.getvalue(), err.getvalue())
    return Done(0, out.getvalue(), err.getvalue())
