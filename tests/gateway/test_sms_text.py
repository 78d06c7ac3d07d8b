"""The words of an alarm, and what an answer means."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.sms import alphabet, pdu, replies, text
from gateway.delivery.sms.text import Facts

FIRE = Facts("fire", "hộ 07", "ngõ 5 thôn 3", "Tổ liên gia 03", "14:03")
LONG = FIRE._replace(address="số 12 ngách 5/7 ngõ Thử 5, Thôn Ba, cạnh đình làng")
anything = st.text(max_size=300)


def test_the_alarm_of_the_guide_is_one_segment_with_all_its_accents() -> None:
    assert text.alarm(FIRE) == "CHÁY! Tổ liên gia 03, hộ 07, ngõ 5 thôn 3. Gọi 114. 14:03"


def test_a_place_in_decomposed_letters_is_composed_first() -> None:
    assert text.alarm(Facts(*(unicodedata.normalize("NFD", word) for word in FIRE))) == text.alarm(FIRE)  # type: ignore[arg-type]


def test_accents_go_before_the_address() -> None:
    assert text.alarm(LONG) == (
        "CHAY! To lien gia 03, ho 07, so 12 ngach 5/7 ngo Thu 5, Thon Ba, canh dinh lang. Goi 114. 14:03 Nhan 1: da nhan"
    )


def test_accents_that_must_stay_cost_words() -> None:
    assert text.alarm(LONG, accents="always") == "CHÁY! hộ 07. Gọi 114. 14:03"


def test_without_accents_if_that_is_wished() -> None:
    assert text.alarm(FIRE, accents="never") == "CHAY! To lien gia 03, ho 07, ngo 5 thon 3. Goi 114. 14:03 Nhan 1: da nhan"


def test_in_english() -> None:
    assert text.alarm(FIRE._replace(place="home 07", address="", group="Group 3"), language="en") == (
        "FIRE! Group 3, home 07. Call 114. 14:03 Reply 1: received"
    )


@pytest.mark.parametrize("kind", ["fault", "drill", "test"])
def test_what_is_no_alarm_asks_for_no_call_and_no_answer(kind: text.Kind) -> None:
    words = text.alarm(Facts(kind, "hộ 07"))
    assert "114" not in words
    assert "1:" not in words


@given(
    st.builds(Facts, st.sampled_from(["fire", "smoke", "sos", "fault", "drill", "test"]), anything, anything, anything, anything),
    st.sampled_from(["vi", "en"]),
    st.sampled_from(["auto", "always", "never"]),
)
def test_every_alarm_is_one_segment_and_begins_with_what_it_is(facts: Facts, language: text.Language, accents: text.Accents) -> None:
    words = text.alarm(facts, language=language, accents=accents)
    assert pdu.segments_of(words) == 1
    headline = text.alarm(Facts(facts.kind, ""), language=language, accents="always").split()[0]
    assert alphabet.plain(words).startswith(alphabet.plain(headline))


def test_a_text_from_elsewhere_loses_its_accents_only_where_that_saves_a_segment() -> None:
    assert text.fitting("CHÁY") == "CHÁY"
    assert text.fitting("ấ" * 71) == "a" * 71
    assert text.fitting("ấ" * 71, accents="always") == "ấ" * 71
    assert text.fitting("CHÁY", accents="never") == "CHAY"


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
