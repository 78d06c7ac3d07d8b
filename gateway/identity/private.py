"""Files that only their owner may read, one writer at a time, and whether this gateway has an identity."""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway import owners

logger = logging.getLogger(__name__)

NO_WRITES = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO)
IDENTITY = "identity"  # DATA/identity: see authority.py
CA_KEY = "ca.key"


def has_identity(data: Path) -> bool:
    """Whether this gateway is an authority, so that its boards come with certificates."""
    return (data / IDENTITY / CA_KEY).exists()


def write_private(path: Path, content: str | bytes) -> None:
    """Write a whole file that only its owner may read; after a power cut it is the old one or the new one."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
    owners.as_folder(fresh)
    fresh.replace(path)


def keep_private(path: Path, content: str) -> None:
    """As write_private; but on a disk that takes nothing the file stays the old one, since a gateway must start there too. Without an
    old one OSError.
    """
    try:
        write_private(path, content)
    except OSError as exc:
        if exc.errno not in NO_WRITES or not path.exists():
            raise
        logger.warning("%s stays as it is: %s", path, exc.strerror)


def folder(path: Path) -> Path:
    """A folder that only its owner enters; made if it is not there."""
    if not path.exists():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owners.as_folder(path)
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file: broker, engine and a command may want to write at the same moment."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT, 0o600)
    except OSError as exc:
        if exc.errno not in NO_WRITES:
            raise
        yield  # nobody writes on such a disk
        return
    try:
        owners.as_folder(path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
