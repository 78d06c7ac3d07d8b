"""What a technician makes as root in a service's folder belongs to that service, or its next start could not read it."""

import os
from pathlib import Path


def as_folder(path: Path) -> None:
    """Give a file or folder to whom the folder that it lies in belongs; only root can, and for others it is so already."""
    if os.geteuid() == 0:
        folder = path.parent.stat()
        os.chown(path, folder.st_uid, folder.st_gid)
