"""Labels, opened and read as a person with a telephone reads them."""

from pathlib import Path

import pypdfium2
import pytest
import zxingcpp

from firmware.bench import label
from firmware.bench.label import COLUMNS, ROWS, Label, NoFont

LABEL = Label(
    *("xa-mau", "H03-07", "household", "Hộ mẫu 03-07 (Nguyễn Thị Thử)", "Số 13, ngõ Thử 5, thôn Ba, xã Mẫu"),
    *("240ac4000007", 2, "28/11/2026"),
)


def pages(content: bytes) -> list[pypdfium2.PdfPage]:
    return list(pypdfium2.PdfDocument(content))


def text_of(content: bytes) -> str:
    return "\n".join(page.get_textpage().get_text_range() for page in pages(content)).replace("\r", "")


def codes_of(content: bytes) -> list[str]:
    """What the codes on all pages say, in any order."""
    return [code.text for page in pages(content) for code in zxingcpp.read_barcodes(page.render(scale=3).to_pil())]


def test_a_label_says_which_board_it_is_where_it_hangs_and_what_it_is_not() -> None:
    lines = text_of(label.pdf([LABEL])).splitlines()
    wanted = [
        "H03-07",
        "Hộ gia đình · Home",
        "Hộ mẫu 03-07 (Nguyễn Thị Thử)",
        "Số 13, ngõ Thử 5, thôn Ba, xã Mẫu",
        "240ac4000007 · 2 · 28/11/2026",
        "Không phải thiết bị báo cháy được chứng nhận. Cháy: gọi 114.",
        "Not a certified fire alarm. In a fire, call 114.",
    ]
    assert [line for line in lines if line in wanted] == wanted, lines


def test_its_code_can_be_read_and_says_site_board_and_mac() -> None:
    assert codes_of(label.pdf([LABEL])) == ["keng:xa-mau/H03-07?mac=240ac4000007"]


def test_many_labels_are_on_sheets_of_ten_each_with_its_own_code() -> None:
    labels = [LABEL._replace(device=f"H03-{number:02d}") for number in range(1, 14)]
    content = label.pdf(labels)
    assert [len(page.get_textpage().get_text_range().split("114.")) // 2 for page in pages(content)] == [COLUMNS * ROWS, 3]
    assert sorted(codes_of(content)) == [one.code for one in labels]


def test_the_longest_words_that_a_site_file_may_have_stay_on_their_label() -> None:
    long = LABEL._replace(device="H" * 32, place="Nhà văn hóa " * 16, address="ngõ Thử 5 " * 20)
    content = label.pdf([long])
    (page,) = pages(content)
    text = page.get_textpage()
    boxes = [text.get_charbox(number) for number in range(text.count_chars()) if not text.get_text_range(number, 1).isspace()]
    left = (page.get_width() - COLUMNS * label.WIDTH) / 2
    assert max(right for _, _, right, _ in boxes) < left + label.WIDTH - label.EDGE
    code_bottom = (page.get_height() + ROWS * label.HEIGHT) / 2 - label.QR - label.EDGE
    assert max(right for _, bottom, right, _ in boxes if bottom > code_bottom) < left + label.WIDTH - label.QR
    assert codes_of(content) == [long.code]


def test_a_font_that_is_none_is_told() -> None:
    with pytest.raises(NoFont, match="expected a TrueType font, got"):
        label.pdf([LABEL], font=Path(__file__))
