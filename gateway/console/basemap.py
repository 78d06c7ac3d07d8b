"""What lies under the commune's own map: nothing, a PMTiles file on the gateway, or the tiles of a server that the settings name."""

from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

MAGIC = b"PMTiles\x03"
TYPE_AT = 99  # PMTiles 3, 3.1: the header's tile type; 1 vector, 2 to 5 pictures
HEADER = 127
# Where the parts of the file begin, each followed by its length, as 64-bit numbers (PMTiles 3, 3.1): a copy that broke off is shorter.
PARTS_AT = (8, 24, 40, 56)


class BaseMap(NamedTuple):
    """What lies under the commune's own map. `kind`: "" nothing, vector or raster a PMTiles file, online the tiles of a server."""

    kind: Literal["", "vector", "raster", "online"] = ""
    path: Path | None = None
    tiles: str = ""
    attribution: str = ""
    problem: str = ""

    @property
    def pictures(self) -> str:
        """From where its pictures come beside us, as a Content-Security-Policy has it: blob: for those cut out of a file, or a server."""
        if self.kind == "online":
            parts = urlsplit(self.tiles.replace("{s}.", "*."))
            return f"{parts.scheme}://{parts.netloc}"
        return "blob:" if self.kind == "raster" else ""


def base_map(path: Path | None, tiles: str, attribution: str) -> BaseMap:
    """The base map that the settings name. A file that cannot be used is no reason to have no map: `problem` says what is wrong with it."""
    if path is None:
        return BaseMap("online", None, tiles, attribution) if tiles else BaseMap()
    try:
        with path.open("rb") as file:
            head = file.read(HEADER)
            size = file.seek(0, 2)
    except OSError as exc:
        return BaseMap(problem=f"{path}: expected a PMTiles file that can be read, got: {exc.strerror}")
    if len(head) < HEADER or not head.startswith(MAGIC):
        return BaseMap(problem=f"{path}: expected a PMTiles file of version 3, got something else")
    ends = max(int.from_bytes(head[at : at + 8], "little") + int.from_bytes(head[at + 8 : at + 16], "little") for at in PARTS_AT)
    if size < ends:
        return BaseMap(problem=f"{path}: expected {ends} bytes, got {size}: it was not copied whole")
    return BaseMap("vector" if head[TYPE_AT] == 1 else "raster", path, "", attribution)
