"""What a technician makes as root in a service's folder belongs to that service, or its next start could not read it."""

import os
from pathlib import Path


def as_folder(path: Path) -> None:
    """Give a file or folder to whom the folder that it lies in belongs; only root can, and for others it is so already."""
    if os.geteuid() != 0:
        return
    own, folder = path.stat(), path.parent.stat()
    if (own.st_uid, own.st_gid) != (folder.st_uid, folder.st_gid):  # else nothing is written: the disk may take nothing
        os.chown(path, folder.st_uid, folder.st_gid)
