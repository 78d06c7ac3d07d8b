"""Base maps for tests: PMTiles files with one picture, or one vector tile, at every place that the commune's map may look at."""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer
from stage import SITE

ZOOMS = range(12, 16)


def picture(colour: str = "#336699") -> bytes:
    """A PNG tile of one colour."""
    out = io.BytesIO()
    Image.new("RGB", (256, 256), colour).save(out, "PNG")
    return out.getvalue()


def water() -> bytes:
    """A vector tile (Mapbox Vector Tile 2.1) whose layer "water" covers it whole, in the Protomaps schema's words."""
    zigzag = [0, 0, 8192, 0, 0, 8192, 8191, 0]  # (0, 0), then by (4096, 0), (0, 4096), (-4096, 0)
    geometry = bytes([9, zigzag[0], zigzag[1], 26]) + b"".join(_varint(number) for number in zigzag[2:]) + bytes([15])
    feature = _field(2, bytes([0, 0])) + bytes([0x18, 3]) + _field(4, geometry)
    layer = _field(1, b"water") + _field(2, feature) + _field(3, b"kind") + _field(4, _field(1, b"lake"))
    layer += bytes([0x28]) + _varint(4096) + bytes([0x78, 2])
    return _field(3, layer)


def archive(path: Path, tile: bytes, kind: TileType) -> Path:
    """A PMTiles file with this tile everywhere around the commune."""
    lats = [home.lat for home in SITE.homes]
    lons = [home.lon for home in SITE.homes]
    with path.open("wb") as file:
        writer = Writer(file)
        for zoom in ZOOMS:
            x, y = _tile(lats[0], lons[0], zoom)
            for tile_id in sorted(zxy_to_tileid(zoom, x + dx, y + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)):
                writer.write_tile(tile_id, tile)
        box = {"min_lon_e7": 1058000000, "min_lat_e7": 209000000, "max_lon_e7": 1060000000, "max_lat_e7": 211000000}
        centre = {"center_zoom": 15, "center_lon_e7": round(lons[0] * 1e7), "center_lat_e7": round(lats[0] * 1e7)}
        header = {"tile_type": kind, "tile_compression": Compression.NONE, "min_zoom": min(ZOOMS), "max_zoom": max(ZOOMS)}
        writer.finalize(header | box | centre, {"attribution": "test"})
    return path


def _tile(lat: float, lon: float, zoom: int) -> tuple[int, int]:
    count = 2**zoom
    x = int((lon + 180) / 360 * count)
    y = int((1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2 * count)
    return x, y


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


@contextmanager
def colours(png: bytes) -> Iterator[dict[tuple[int, ...], int]]:
    """How often each colour is in a picture."""
    with Image.open(io.BytesIO(png)) as image:
        counted = image.convert("RGB").getcolors(image.width * image.height) or []
    yield {tuple(colour): count for count, colour in counted if isinstance(colour, tuple)}
