"""Keys of receivers, each in a file of its own: never in the settings, in a log or on a screen."""

import os
import stat
from pathlib import Path

from gateway.delivery.sia.frame import KEY_BYTES
from protocol.tomlfile import FileMistakes

EXPECTED = "32, 48 or 64 hexadecimal digits, or text: and 16, 24 or 32 characters, as the receiver has it"
FILE_BYTES_MAX = 1024


def read(path: Path) -> bytes:
    """The key in a file. Raises FileMistakes, without a word of what is in the file."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            text = file.read(FILE_BYTES_MAX).decode("ascii").strip()
    except OSError as exc:
        raise FileMistakes([f"{path}: expected a file with the key of a receiver, got: {exc.strerror}"]) from None
    except UnicodeDecodeError:
        raise FileMistakes([f"{path}: expected {EXPECTED}, got other characters"]) from None
    if mode & stat.S_IROTH:
        raise FileMistakes([f"{path}: expected a file that not everybody on this machine may read, got mode {mode:o} (chmod 600)"])
    key = text.removeprefix("text:").encode() if text.startswith("text:") else _from_digits(text)
    if len(key) not in KEY_BYTES:
        raise FileMistakes([f"{path}: expected {EXPECTED}, got {len(text)} characters that are none of these"])
    return key


def _from_digits(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
