"""Scenario files: what happens at second t, and what must then be so. TOML, checked as a whole.

title = "One press rings the lane"
site = "ngo-thu-5"

[[steps]]
at_s = 1
do = "press"
device = "H03-02"
point = "button-1"

[[steps]]
at_s = 1
do = "expect"
within_s = 1
bells_confirmed = 12
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from protocol import site as site_files
from protocol import tomlfile
from protocol.config import change
from protocol.fields import Id
from protocol.site import Kind, Site
from protocol.tomlfile import FileMistakes, Misfit, Tables
from simulator.terminals import WIRINGS

HERE = Path(__file__).parent
COMMUNES = HERE / "communes"
SCENARIOS = HERE / "scenarios"


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


_NOTHING = _Nothing()

Fitted = Mapping[str, Sequence[str]]  # board -> points and outputs at choice that it has
Seconds = Annotated[float, Field(ge=0, le=86400)]
Number = Annotated[int, Field(ge=0)]
Verb = Literal[
    "press",
    "turn",
    "activate",
    "clear",
    "take",
    "put_back",
    "open",
    "close",
    "smoke",
    "smoke_clear",
    "cut_power",
    "power",
    "cut_power_at",
    "reimage",
    "advance",
    "cut_wire",
    "mend_wire",
    "freeze",
    "thaw",
    "cut_link",
    "unplug",
    "plug",
    "swallow",
    "pass",
    "delay",
    "kill",
    "stop",
    "start",
    "acknowledge",
    "silence",
    "resolve",
    "webhook",
    "set",
    "say",
    "expect",
]
# verb -> keys that it needs besides at_s and do
NEEDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("press", "activate", "clear"), ("device", "point")),
    "turn": ("device", "point", "value"),
    **dict.fromkeys(("take", "put_back", "open", "close", "smoke", "smoke_clear", "cut_power", "power", "reimage"), ("device",)),
    **dict.fromkeys(("cut_wire", "mend_wire", "freeze", "thaw", "cut_link", "unplug", "plug", "swallow", "pass"), ("device",)),
    **{"cut_power_at": ("device", "operation"), "advance": ("device", "seconds"), "delay": ("device", "seconds")},
    **dict.fromkeys(("kill", "stop", "start"), ("part",)),
    "set": ("device", "config"),
    **{"acknowledge": (), "silence": (), "resolve": ("outcome",), "webhook": ("status",), "say": ("text",), "expect": ()},
}
# verb -> keys that it may have
MAY: dict[str, tuple[str, ...]] = {
    **{"press": ("hold_s",), "take": ("point",), "put_back": ("point",), "kill": ("back_after_s",), "webhook": ("seconds",)},
}
REAL_FIRMWARE_ONLY = ("cut_power_at", "advance", "turn", "set")


class Expectation(BaseModel):
    """What can be expected. Every key that is there must hold; "the incident" is the newest.

    incidents, open: how many there have been, and are. activations, state, sounding, bells_confirmed, bells_silent: the incident's.
    ringing, quiet: boards whose bell sounds, or does not. online, offline: boards as the broker knows them. webhooks: how many came,
    at least. events_lost: events without a receipt. changed, unchanged: boards that have taken the last change of their configuration,
    or have refused it or rolled it back. shows: texts on the console's page.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    incidents: Number | None = None
    open: Number | None = None
    activations: Number | None = None
    state: Literal["open", "acknowledged", "resolved"] | None = None
    sounding: bool | None = None
    bells_confirmed: Number | None = None
    bells_silent: list[Id] | None = None
    ringing: list[Id] | None = None
    quiet: list[Id] | None = None
    online: list[Id] | None = None
    offline: list[Id] | None = None
    webhooks: Number | None = None
    events_lost: Number | None = None
    changed: list[Id] | None = None
    unchanged: list[Id] | None = None
    shows: list[str] | None = None

    def wanted(self) -> dict[str, Any]:
        """The keys that are there."""
        return {name: value for name in Expectation.model_fields if (value := getattr(self, name)) is not None}


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as exc:
        raise ValueError(f"expected JSON ({exc})") from None


class Step(Expectation):
    """One step. within_s: an expectation has so long to come true; hold_s: it must stay true so long (a press: the finger stays).

    config: keys of a board's configuration; in one line of a terminal as JSON.
    """

    model_config = ConfigDict(extra="forbid", strict=False)

    at_s: Seconds
    do: Verb
    device: Id | None = None
    point: Id | None = None
    part: Literal["broker", "engine", "console"] | None = None
    hold_s: Seconds | None = None
    within_s: Seconds = 0
    back_after_s: Seconds | None = None
    seconds: Seconds | None = None
    value: float | None = None
    operation: Annotated[int, Field(ge=1)] | None = None
    outcome: Literal["fire", "false_alarm", "drill", "test"] | None = None
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    text: str | None = None
    config: Annotated[dict[str, Any], BeforeValidator(_json)] | None = None


class Scenario(BaseModel):
    """The whole file. `site` is the name of a commune in simulator/communes, or the path of a file beside this one. `fitted`: what boards
    have besides what every board of their kind has.
    """

    model_config = ConfigDict(extra="forbid")

    title: str
    site: str = "ngo-thu-5"
    fitted: dict[Id, list[Id]] = {}
    steps: list[Step] = Field(min_length=1)


def find(name: str) -> Path:
    """The file of a scenario: a path, or the name of one in simulator/scenarios. Raises FileMistakes naming those that there are."""
    path = Path(name)
    if path.exists():
        return path
    named = SCENARIOS / f"{name.removesuffix('.toml')}.toml"
    if not named.exists():
        raise FileMistakes([f"expected the path of a scenario or one of {', '.join(names())}; got {name!r}"])
    return named


def names() -> list[str]:
    """The scenarios that come with the simulator."""
    return sorted(path.stem for path in SCENARIOS.glob("*.toml"))


def load(path: Path) -> tuple[Scenario, Path]:
    """A scenario, and its site's file. Raises FileMistakes with every mistake, OSError if a file cannot be read."""
    scenario = tomlfile.load(path, Scenario, lambda tables: list(_misfits(path, tables)))
    return scenario, _site_file(path, scenario.site)


def check(step: Step, site: Site, fitted: Fitted) -> list[str]:
    """What is wrong with a step that came by itself, not in a file."""
    if step.do == "expect":
        return ["do: expected a deed, got 'expect': it belongs into a scenario's file (keng sim run)"]
    misfits = _step_misfits(0, step.model_dump(exclude_unset=True), _boards(site), fitted)
    return [f"{misfit.where[-1]}: {misfit}" for misfit in misfits]


def _site_file(path: Path, site: str) -> Path:
    beside = path.parent / site
    return beside if beside.is_file() else COMMUNES / f"{site}.toml"


def _misfits(path: Path, tables: Tables) -> Iterator[Misfit]:
    name = tables.get("site", "ngo-thu-5")
    boards: dict[str, Kind] | None = None
    if isinstance(name, str):
        try:
            boards = _boards(site_files.load(_site_file(path, name)))
        except OSError:
            yield Misfit(("site",), "the name of a commune in simulator/communes or the path of a site file", name)
    fitted = tables.get("fitted")
    fitted = fitted if isinstance(fitted, dict) and all(isinstance(names, list) for names in fitted.values()) else {}
    if boards is not None:
        yield from _unfit(fitted, boards)
    for index, row in enumerate(tomlfile.rows(tables, "steps")):
        yield from _step_misfits(index, row, boards, fitted)


def _boards(site: Site) -> dict[str, Kind]:
    return {board.id: board.kind for board in site.boards}


def _unfit(fitted: Fitted, boards: dict[str, Kind]) -> Iterator[Misfit]:
    for device, names in fitted.items():
        if device not in boards:
            yield Misfit(("fitted", device), "a board of the site", device)
            continue
        choices = WIRINGS[boards[device]].choices
        for name in names:
            if name not in choices:
                yield Misfit(("fitted", device), f"some of {', '.join(choices)}", name)


def _step_misfits(index: int, row: Tables, boards: dict[str, Kind] | None, fitted: Fitted) -> Iterator[Misfit]:
    verb = row.get("do")
    if not isinstance(verb, str) or verb not in get_args(Verb):
        return
    for key in NEEDS[verb]:
        if key not in row:
            yield Misfit(("steps", index, key), f"to be there with do = {verb}", _NOTHING)
    yield from _out_of_place(index, verb, row)
    if isinstance(row.get("config"), dict):
        yield from _wrong_change(index, row["config"])
    if boards is not None:
        yield from _unknown_boards(index, row, boards)
        yield from _unknown_points(index, row, boards, fitted)


def _out_of_place(index: int, verb: str, row: Tables) -> Iterator[Misfit]:
    allowed = {"at_s", "do", *NEEDS[verb], *MAY.get(verb, ())}
    if verb == "expect":
        allowed |= {"within_s", "hold_s", *Expectation.model_fields}
        if not any(key in row for key in Expectation.model_fields):
            yield Misfit(("steps", index), f"something to expect: {', '.join(Expectation.model_fields)}", _NOTHING)
    for key in row:
        if key in Step.model_fields and key not in allowed:
            yield Misfit(("steps", index, key), f"no such key with do = {verb}", row[key])


def _wrong_change(index: int, fields: dict[str, Any]) -> Iterator[Misfit]:
    try:
        change("o", fields)
    except ValueError as exc:
        yield Misfit(("steps", index, "config"), f"keys of a board's configuration ({str(exc).splitlines()[0]})", fields)


def _unknown_points(index: int, row: Tables, boards: dict[str, Kind], fitted: Fitted) -> Iterator[Misfit]:
    device = str(row.get("device"))
    kind = boards.get(device)
    if kind is None or "point" not in row:
        return
    wiring, chosen = WIRINGS[kind], tuple(fitted.get(device, ()))
    points = wiring.gauges(chosen) if row["do"] == "turn" else wiring.contacts(chosen)
    if row["point"] not in points:
        yield Misfit(
            ("steps", index, "point"),
            f"one of {', '.join(points)}" if points else f"a board that has such a point, which {device} has not",
            row["point"],
        )


def _unknown_boards(index: int, row: Tables, boards: dict[str, Kind]) -> Iterator[Misfit]:
    for key in ("device", "bells_silent", "ringing", "quiet", "online", "offline", "changed", "unchanged"):
        value = row.get(key, [])
        for name in value if isinstance(value, list) else [value]:
            if name not in boards:
                yield Misfit(("steps", index, key), "a board of the site", name)
