"""Which words of an alarm fit, and what an answer means."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.sms import alphabet, pdu, replies, text

SHORT = "CHÁY! Hộ mẫu 03-07, ngõ 5 thôn 3. Gọi 114. 14:03"
LONG = "CHÁY! Hộ mẫu 03-07, số 12 ngách 5/7 ngõ Thử 5, Thôn Ba, cạnh đình làng. Gọi 114. 14:03"
anything = st.text(max_size=300)


def test_what_fits_with_its_accents_keeps_them() -> None:
    assert text.fitting([SHORT]) == SHORT
    assert text.fitting([unicodedata.normalize("NFD", SHORT)]) == SHORT


def test_accents_go_before_words() -> None:
    assert text.fitting([LONG, SHORT]) == alphabet.plain(LONG)


def test_accents_that_must_stay_cost_words() -> None:
    assert text.fitting([LONG, SHORT], accents="always") == SHORT


def test_without_accents_if_that_is_wished() -> None:
    assert text.fitting([SHORT], accents="never") == "CHAY! Ho mau 03-07, ngo 5 thon 3. Goi 114. 14:03"


def test_what_fits_nowhere_is_sent_all_the_same() -> None:
    assert text.fitting(["ấ" * 200, "ấ" * 161]) == "a" * 161
    assert text.fitting(["ấ" * 71], accents="always") == "ấ" * 71


@given(st.lists(anything, min_size=1, max_size=4), st.sampled_from(["auto", "always", "never"]))
def test_one_segment_whenever_there_is_one(texts: list[str], accents: text.Accents) -> None:
    short = "x" * 70
    assert pdu.segments_of(text.fitting([*texts, short], accents=accents)) == 1


@given(anything)
def test_plain_words_are_of_the_small_alphabet(words: str) -> None:
    assert alphabet.septets(alphabet.plain(words)) is not None


def test_plain_words_read_like_the_others() -> None:
    assert alphabet.plain("Đường “Ngõ Thử” – số 5… 🔥") == 'Duong "Ngo Thu" - so 5... ?'


@pytest.mark.parametrize("answer", ["1", " 1 ", "1.", "“1”", "１", "ok", "Đã nhận", "da  nhan!"])
def test_answers_that_acknowledge(answer: str) -> None:
    assert replies.meaning(answer) == "acknowledge"


@pytest.mark.parametrize("answer", ["AT", "at", " At. ", "an toàn", "AN TOAN", unicodedata.normalize("NFD", "Tôi an toàn")])
def test_answers_that_say_safe(answer: str) -> None:
    assert replies.meaning(answer) == "safe"


@pytest.mark.parametrize("answer", ["GIUP", "giúp", "Giúp!!!", "cứu với", "SOS", "cần trợ giúp"])
def test_answers_that_ask_for_help(answer: str) -> None:
    assert replies.meaning(answer) == "need_help"


@pytest.mark.parametrize(
    "answer", ["", "11", "1 AT", "không an toàn", "AT GIUP", "10", "safe?no", "ATM", "1" * 500, "Tai khoan goc 15.000d"]
)
def test_what_is_no_answer_is_not_guessed_at(answer: str) -> None:
    assert replies.meaning(answer) is None


@given(anything)
def test_any_answer_can_be_read(answer: str) -> None:
    assert replies.meaning(answer) in (None, "acknowledge", "safe", "need_help", "coming")


@pytest.mark.parametrize("number", ["+84901234567", "84901234567", "0901234567", "090 123.45-67"])
def test_a_number_is_known_however_the_network_writes_it(number: str) -> None:
    assert replies.international(number) == "+84901234567"


@pytest.mark.parametrize("number", ["901234567", "1", "", "MMoney", "+4915112345678", "114"])
def test_what_is_no_vietnamese_number_is_not_made_one(number: str) -> None:
    assert replies.international(number) == number


@pytest.mark.parametrize("answer", ["đến", "DEN", "Tôi đang đến."])
def test_answers_that_say_coming(answer: str) -> None:
    assert replies.meaning(answer) == "coming"
