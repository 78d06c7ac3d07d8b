"""Files that people write: every mistake at once, each with its line."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from protocol import tomlfile
from protocol.tomlfile import FileMistakes, Misfit


class Lamp(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: str
    watts: int = Field(ge=1, le=500)


class Network(BaseModel):
    ssid: str
    key: str = Field(max_length=63)


class Networks(BaseModel):
    wifi: list[Network]


class Street(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field("?", max_length=200)
    lamps: list[Lamp] = []


def mistakes(path: Path, text: str | bytes, misfits=lambda _: []) -> list[str]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FileMistakes) as caught:
        tomlfile.load(path, Street, misfits)
    assert str(caught.value) == "\n".join(caught.value.mistakes)
    return [line.removeprefix(f"{path}:") for line in caught.value.mistakes]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "street.toml"


def test_a_right_file_becomes_the_model(path: Path) -> None:
    path.write_text('name = "Ngõ 5"\n[[lamps]]\nid = "A"\nwatts = 30\n', encoding="utf-8")
    assert tomlfile.load(path, Street) == Street(name="Ngõ 5", lamps=[Lamp(id="A", watts=30)])


def test_texts_that_are_equal_are_one_in_memory(path: Path) -> None:
    path.write_text('name = "Ngõ 5"\n[[lamps]]\nid = "Ngõ 5"\nwatts = 30\n[[lamps]]\nid = "Ngõ 5"\nwatts = 60\n', encoding="utf-8")
    street = tomlfile.load(path, Street)
    assert street.name is street.lamps[0].id is street.lamps[1].id


def test_a_byte_order_mark_of_an_office_program_is_no_mistake(path: Path) -> None:
    path.write_bytes(b'\xef\xbb\xbfname = "N"\n')
    assert tomlfile.load(path, Street).name == "N"


def test_every_mistake_comes_with_line_key_expectation_and_value_in_the_order_of_the_file(path: Path) -> None:
    text = 'nmae = "x"\n[[lamps]]\nid = "A"\nwatts = 501\n\n# second\n[[lamps]]\nwatts = "many"\n'
    assert mistakes(path, text) == [
        "1: nmae: expected no such key (a typing mistake?)",
        "4: lamps[1].watts: expected less than or equal to 500, got 501",
        "7: lamps[2].id: expected to be there, got nothing",
        "8: lamps[2].watts: expected a valid integer, unable to parse string as an integer, got 'many'",
    ]


def test_mistakes_between_tables_are_told_together_with_those_of_single_values(path: Path) -> None:
    def doubled(tables: tomlfile.Tables) -> list[Misfit]:
        return [Misfit(("lamps", 1, "id"), "another id", tomlfile.rows(tables, "lamps")[1]["id"])]

    found = mistakes(path, '[[lamps]]\nid = "A"\nwatts = 0\n[[lamps]]\nid = "A"\nwatts = 1\n', doubled)
    assert found == ["3: lamps[1].watts: expected greater than or equal to 1, got 0", "5: lamps[2].id: expected another id, got 'A'"]


def test_misfits_are_asked_even_where_tables_have_the_wrong_shape(path: Path) -> None:
    assert tomlfile.rows({"lamps": "none"}, "lamps") == []
    assert tomlfile.rows({"lamps": [1, {"id": "A"}]}, "lamps") == [{}, {"id": "A"}]


def test_a_file_that_is_no_toml_is_refused_with_its_line(path: Path) -> None:
    assert mistakes(path, 'name = "N"\nlamps = [\n  1,\n  oops\n')[0].startswith("4: file: expected TOML, got: ")


def test_a_doubled_key_is_refused(path: Path) -> None:
    assert "expected TOML" in mistakes(path, 'name = "N"\nname = "M"\n')[0]


def test_each_line_that_is_not_utf8_is_named_and_the_rest_is_checked_too(path: Path) -> None:
    found = mistakes(path, b'name = "Ng\xf5"\n[[lamps]]\nid = "\xff"\nwatts = 0\n')
    assert found == [
        "1: file: expected UTF-8, got byte 0xf5 (save the file as UTF-8)",
        "3: file: expected UTF-8, got byte 0xff (save the file as UTF-8)",
        "4: lamps[1].watts: expected greater than or equal to 1, got 0",
    ]


def test_a_wrong_value_is_shown_by_its_beginning_and_the_limit_in_our_words(path: Path) -> None:
    assert mistakes(path, f'name = "{"x" * 300}"\n') == [f"1: name: expected at most 200 characters, got '{'x' * 116}... (302 letters)"]


def test_a_file_of_a_word_processor_in_utf16_is_refused(path: Path) -> None:
    assert "expected UTF-8" in mistakes(path, 'name = "N"\n'.encode("utf-16"))[0]


def test_a_file_that_is_no_text_is_one_mistake_and_not_one_for_each_line(path: Path) -> None:
    assert mistakes(path, bytes(range(256)) * 40) == ["1: file: expected a text file in UTF-8, got something else"]


def test_a_file_that_is_not_there_is_an_os_error(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        tomlfile.load(path, Street)


@pytest.mark.parametrize("depth", [100, 400, 3_000])
@pytest.mark.parametrize(("begins", "ends"), [("x = [", "]"), ("x = {a=", "}"), ("a.", "= 1")])
def test_tables_and_lists_deep_within_each_other_are_a_mistake_like_others(path: Path, depth: int, begins: str, ends: str) -> None:
    text = f"{begins}{begins.removeprefix('x = ') * depth}b{ends * depth if len(ends) == 1 else ''}{ends}"
    assert mistakes(path, text)[0].startswith("1: ")


def test_a_number_of_thousands_of_digits_is_a_mistake_like_others(path: Path) -> None:
    assert mistakes(path, "x = 1" + "0" * 5_000)[0].startswith("1: file: expected TOML, got: ")


def test_the_value_of_a_secret_is_not_shown(path: Path) -> None:
    path.write_text(f'[[wifi]]\nssid = "lane"\nkey = "{"hush" * 16}"\n')
    with pytest.raises(FileMistakes) as refused:
        tomlfile.load(path, Networks)
    assert refused.value.mistakes == [f"{path}:3: wifi[1].key: expected at most 63 characters, got 64 letters"]
