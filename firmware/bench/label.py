"""Labels for boards as a PDF: name, kind, place, a QR code, and what the board is not. Vietnamese first."""

import io
from pathlib import Path
from typing import NamedTuple

from reportlab.graphics import renderPDF
from reportlab.graphics.barcode.qr import QrCodeWidget
from reportlab.graphics.shapes import Drawing
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont
from reportlab.pdfgen.canvas import Canvas

WIDTH, HEIGHT = 95 * mm, 55 * mm
COLUMNS, ROWS = 2, 5
EDGE = 4 * mm
QR = 30 * mm
LINE = 4.2 * mm
SMALLEST = 5.0  # points: what can be read in the hand
# Fonts that have all Vietnamese letters, where distributions put them.
FONTS = tuple(
    Path(path)
    for path in (
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
        "/usr/share/fonts/TTF/DejaVuSans.ttf",
        "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
        "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    )
)
KINDS = {
    "household": "Hộ gia đình · Home",
    "fire_point": "Điểm chữa cháy · Fire point",
    "street_light": "Đèn đường · Street light",
    "sos_post": "Trụ SOS · SOS post",
}
WARNING = ("Không phải thiết bị báo cháy được chứng nhận. Cháy: gọi 114.", "Not a certified fire alarm. In a fire, call 114.")


class NoFont(OSError):
    """There is no font with Vietnamese letters on this machine."""


class Label(NamedTuple):
    """What stands on one. `generation`: of the certificate."""

    site: str
    device: str
    kind: str
    place: str
    address: str
    mac: str
    generation: int
    date: str

    @property
    def code(self) -> str:
        """What the QR code says."""
        return f"keng:{self.site}/{self.device}?mac={self.mac}"


def pdf(labels: list[Label], *, font: Path | None = None) -> bytes:
    """A4 sheets with ten labels each. Raises NoFont, OSError."""
    name = _font(font)
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=True)
    canvas.setTitle("Keng: " + ", ".join(label.device for label in labels))
    left, top = (A4[0] - COLUMNS * WIDTH) / 2, A4[1] - (A4[1] - ROWS * HEIGHT) / 2
    for number, label in enumerate(labels):
        place = number % (COLUMNS * ROWS)
        if number and place == 0:
            canvas.showPage()
        row, column = divmod(place, COLUMNS)
        _draw(canvas, label, name, left + column * WIDTH, top - (row + 1) * HEIGHT)
    canvas.save()
    return buffer.getvalue()


def _font(chosen: Path | None) -> str:
    path = chosen or next((known for known in FONTS if known.exists()), None)
    if path is None:
        raise NoFont(f"expected a font with Vietnamese letters, such as {FONTS[0]} (apt install fonts-dejavu-core), or --font FILE")
    try:
        pdfmetrics.registerFont(TTFont("label", str(path)))
    except TTFError as exc:
        raise NoFont(f"{path}: expected a TrueType font, got: {exc}") from None
    return "label"


def _draw(canvas: Canvas, label: Label, font: str, x: float, y: float) -> None:
    canvas.setLineWidth(0.3)
    canvas.rect(x, y, WIDTH, HEIGHT)
    code = QrCodeWidget(label.code, barLevel="M")
    left, bottom, right, top = code.getBounds()
    drawing = Drawing(QR, QR, transform=[QR / (right - left), 0, 0, QR / (top - bottom), 0, 0])
    drawing.add(code)
    renderPDF.draw(drawing, canvas, x + WIDTH - QR - EDGE / 2, y + HEIGHT - QR - EDGE / 2)
    lines = [
        (22, label.device),
        (9, KINDS.get(label.kind, label.kind)),
        (9, label.place),
        (7, label.address),
        (7, f"{label.mac} · {label.generation} · {label.date}"),
    ]
    height = y + HEIGHT - EDGE
    for size, text in lines:
        height -= size * 1.25
        _write(canvas, text, (font, size), (x + EDGE, height), WIDTH - QR - 2 * EDGE)
    for line, text in enumerate(WARNING):
        _write(canvas, text, (font, 9), (x + EDGE, y + EDGE + (len(WARNING) - 1 - line) * LINE), WIDTH - 2 * EDGE)


def _write(canvas: Canvas, text: str, face: tuple[str, float], place: tuple[float, float], width: float) -> None:
    """A line of text no wider than `width`: smaller if it must be, and shortened if that is not enough."""
    font, size = face
    wide = pdfmetrics.stringWidth(text, font, size)
    size = size if wide <= width else max(SMALLEST, size * width / wide)
    if pdfmetrics.stringWidth(text, font, size) > width:
        while text and pdfmetrics.stringWidth(text + "…", font, size) > width:
            text = text[:-1]
        text = text.rstrip() + "…"
    canvas.setFont(font, size)
    canvas.drawString(*place, text)
