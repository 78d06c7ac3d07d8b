"""What a spreadsheet would compute is shown instead, whoever wrote it."""

import pytest

from gateway.spreadsheet import cell


@pytest.mark.parametrize("text", ["=1+1", "+84912345678", "-2", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1+1", "＋1", "－1", "＠x"])
def test_a_text_that_would_be_computed_has_an_apostrophe_before_it(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(("value", "shown"), [("Hộ mẫu 03-07", "Hộ mẫu 03-07"), ("", ""), (None, ""), (-61, -61), (0, 0), (1.5, 1.5)])
def test_everything_else_stays_as_it_is(value: object, shown: object) -> None:
    assert cell(value) == shown
