"""TOML files that people write, checked as a whole: every mistake at once, each with file, line, what was expected and what came."""

import re
import tomllib
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

M = TypeVar("M", bound=BaseModel)
Where = tuple[str | int, ...]
Tables = dict[str, Any]
Mistake = tuple[int, Where, str]

CHECKS = ConfigDict(extra="forbid", allow_inf_nan=False)


def _words(text: str) -> str:
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        raise ValueError("expected words, got nothing")
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        raise ValueError("expected printable characters")
    return text


def _note(text: str) -> str:
    return _words(text) if text.strip() else ""


Words = Annotated[str, Field(max_length=200), AfterValidator(_words)]
Note = Annotated[str, Field(max_length=200), AfterValidator(_note)]  # words, or nothing


class Table(BaseModel):
    """A table of a file: a key that we do not know is a mistake."""

    model_config = CHECKS


SHOWN_MAX = 120  # of a wrong value: it is to be found, not to be read
SECRETS = ("key", "password")  # no value of such a key is shown: terminals are looked at, and scrolled back
# "String should have at most 200 characters": what is left is what we expected.
_PYDANTICS = re.compile(r"^(Value error, |(Input|String|List|Dictionary|Value) should (be |have )?)")

_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


class FileMistakes(ValueError):
    """A file that cannot be used. `mistakes` are whole lines, `path:line: key: expected ..., got ...`, in the order of the file."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class Misfit(ValueError):
    """A mistake that a model found across fields. `where` leads to the value: ("homes", 3, "group")."""

    def __init__(self, where: Where, expected: str, got: object) -> None:
        super().__init__(f"expected {expected}, got {got!r}")
        self.where = where


def load(path: Path, model: type[M], misfits: Callable[[Tables], list[Misfit]] = lambda _: []) -> M:
    """The file as a `model`. `misfits` finds mistakes across tables; it is asked even where single values are wrong.

    Raises FileMistakes with every mistake; OSError if the file cannot be read.
    """
    raw = path.read_bytes()
    if odd := no_text(raw):
        raise FileMistakes(_listed(path, [(1, (), odd)]))
    text = raw.decode("utf-8-sig", errors="replace")
    unreadable = _not_utf8(raw)
    try:
        tables = _shared(tomllib.loads(text), {})
    except ValueError as exc:  # of tomllib; or of int, for a number of thousands of digits
        place = re.search(r"at line (\d+)", str(exc))
        line = int(place[1]) if place else text.count("\n") + 1
        raise FileMistakes(_listed(path, [*unreadable, (line, (), f"expected TOML, got: {exc}")])) from None
    except RecursionError:
        raise FileMistakes(_listed(path, [*unreadable, (1, (), "expected TOML, got tables or lists too deep within each other")])) from None
    checked = None
    found: list[tuple[Where, str]] = []
    try:
        checked = model.model_validate(tables)
    except ValidationError as exc:
        found = _found(exc)
    found += [(misfit.where, str(misfit)) for misfit in misfits(tables)]
    if unreadable or found or checked is None:
        lines = _lines(text)
        raise FileMistakes(_listed(path, [*unreadable, *((_line(lines, where), where, sentence) for where, sentence in found)]))
    return checked


def mistakes(exc: ValidationError) -> list[str]:
    """What is wrong with values that came from elsewhere than a file: `key: expected ..., got ...`."""
    return [f"{_name(where)}: {sentence}" for where, sentence in _found(exc)]


def no_text(raw: bytes) -> str:
    """What a file is that is no text in UTF-8 at all, so that not each of its lines is complained about; "" for one that may be."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "expected UTF-8, got UTF-16 (save the file as UTF-8)"
    return "expected a text file in UTF-8, got something else" if b"\0" in raw else ""


def rows(tables: Tables, name: str) -> list[Tables]:
    """The array of tables `name`, each a dict whatever was written there: for misfits, which must not trip over other mistakes."""
    found = tables.get(name)
    return [row if isinstance(row, dict) else {} for row in found] if isinstance(found, list) else []


def _shared(value: Any, known: dict[str, str]) -> Any:
    """The same, in place, with one string for all that are equal: ten thousand homes name their group, and their lane's way in."""
    if isinstance(value, str):
        return known.setdefault(value, value)
    if isinstance(value, dict):
        for key, inner in value.items():
            value[key] = _shared(inner, known)
    elif isinstance(value, list):
        value[:] = [_shared(inner, known) for inner in value]
    return value


def _found(exc: ValidationError) -> list[tuple[Where, str]]:
    return [(error["loc"], _sentence(error["type"], error["msg"], _showable(error["loc"], error["input"]))) for error in exc.errors()]


def _not_utf8(raw: bytes) -> list[Mistake]:
    found: list[Mistake] = []
    for number, line in enumerate(raw.split(b"\n"), 1):
        try:
            line.decode()
        except UnicodeDecodeError as exc:
            found.append((number, (), f"expected UTF-8, got byte 0x{line[exc.start]:02x} (save the file as UTF-8)"))
    return found


def _listed(path: Path, found: list[Mistake]) -> list[str]:
    return [
        f"{path}:{line}: {_name(where)}: {sentence}" for line, where, sentence in sorted(found, key=lambda item: (item[0], str(item[1])))
    ]


def _showable(where: Where, value: object) -> object:
    return _Hidden(f"{len(value)} letters") if isinstance(value, str) and where and where[-1] in SECRETS else value


class _Hidden(str):
    """Shown as it is, without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def _sentence(kind: str, message: str, value: object) -> str:
    if kind == "missing":
        return "expected to be there, got nothing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):  # of a model, of a dataclass
        return "expected no such key (a typing mistake?)"
    expected = _PYDANTICS.sub("", message).replace("match pattern", "text that matches")
    if not expected.startswith("expected "):
        expected = f"expected {expected}"
    return f"{expected}, got {_short(value)}" if not isinstance(value, dict | list) else expected


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN_MAX else f"{shown[: SHOWN_MAX - 3]}... ({len(shown)} letters)"


def _name(where: Where) -> str:
    """("homes", 3, "group") as people count: homes[4].group."""
    text = ""
    for part in where:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "file"


def _line(lines: dict[Where, int], where: Where) -> int:
    while where not in lines and where:
        where = where[:-1]
    return lines.get(where, 1)


def _lines(text: str) -> dict[Where, int]:
    """Line numbers of tables and keys, for messages only: a key inside an inline table or a multi-line value has its parent's line."""
    lines: dict[Where, int] = {(): 1}
    counts: dict[Where, int] = {}
    table: Where = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE.match(line):
            table = _path(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*_indexed(table[:-1], counts), table[-1], counts[table])
            else:
                table = _indexed(table, counts)
            lines[table] = number
        elif key := _KEY.match(line):
            lines.setdefault(table + _path(key[1]), number)
    return lines


def _path(dotted: str) -> Where:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _indexed(table: Where, counts: dict[Where, int]) -> Where:
    """[homes.door] after the second [[homes]] means homes[1].door."""
    found: Where = ()
    plain: Where = ()
    for part in table:
        plain += (part,)
        found += (part, counts[plain]) if plain in counts else (part,)
    return found
