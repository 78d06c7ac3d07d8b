"""The control socket of a simulation: what somebody has mistyped in another terminal is said in words, and breaks nothing."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from protocol import site as site_files
from simulator import observer
from simulator.control import LINE_MAX, Control, NoneRuns, ask
from simulator.stage import Stage

BA_NHA = Path(observer.__file__).parent / "communes/ba-nha.toml"


def asked(step: dict[str, object], path: Path) -> dict[str, Any]:
    """The answer of a simulation of which only the site is there."""
    stage = cast("Stage", SimpleNamespace(site=site_files.load(BA_NHA), fitted={}, world=MagicMock(), desk=MagicMock(), parts={}))

    async def run() -> dict[str, Any]:
        async with Control(stage, path):
            return await asyncio.to_thread(ask, step, path)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"do": "nonsense"}, "do: expected 'press', 'turn'"),
        ({"do": "take", "device": ""}, "device: expected 1 to 32 of A-Z a-z 0-9 _ -, got ''"),
        ({"do": "take", "device": "N-01", "foo": "bar"}, "foo: expected no such key (a typing mistake?)"),
        ({"do": "expect", "open": 1}, "do: expected a deed, got 'expect': it belongs into a scenario's file"),
        ({"do": "cut_wire"}, "device: expected to be there with do = cut_wire, got nothing"),
        ({"do": "press", "device": "H9", "point": "button-1"}, "device: expected a board of the site, got 'H9'"),
        (
            {"do": "turn", "device": "H01-01", "point": "tank", "value": 3},
            "point: expected a board that has such a point, which H01-01 has not",
        ),
        ({"do": "set", "device": "H1", "config": '{"verify_s": 30'}, "config: expected JSON (Expecting ',' delimiter"),
        ({"do": "say", "text": "x" * LINE_MAX}, f"expected a step of at most {LINE_MAX} bytes, got "),
    ],
)
def test_a_step_that_cannot_be_is_said_in_a_line(step: dict[str, object], expected: str, tmp_path: Path) -> None:
    answer = asked(step, tmp_path / "sock")
    assert (answer["ok"], answer["wrong_input"]) == (False, True)
    [line] = answer["mistakes"]
    assert line.startswith(expected)
    assert "\n" not in line


def test_a_simulation_that_hangs_up_has_given_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "sock"

    async def run() -> None:
        server = await asyncio.start_unix_server(lambda _reader, writer: writer.close(), str(path))
        async with server:
            await asyncio.to_thread(ask, {"do": "acknowledge"}, path)

    with pytest.raises(NoneRuns):
        asyncio.run(run())
