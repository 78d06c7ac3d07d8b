"""A board that tries a new version over the air is left alone by the bench: it needs the version before to fall back on."""

from typing import Any, cast

import pytest

from firmware.bench import settings
from firmware.bench.desk import Desk
from firmware.bench.flashing import FlashFailed, Hands, Job, Materials
from firmware.bench.inplace import Updater
from firmware.bench.tools import ToolFailed, Tools
from protocol import site as site_files
from protocol.boards import BoardAnswer, BoardState
from protocol.package import Package
from tests.bench.hall import SITE

PORT = "/dev/ttyUSB9"


class Touched(Tools):
    """What touches no board says so."""

    def run(self, module: str, words: Any, **_: Any) -> list[str]:
        raise ToolFailed(f"{module} is at the board")


class Told:
    """A gateway that knows this of the board."""

    def __init__(self, updating: str) -> None:
        self._updating = updating

    def ask(self, do: str, *, device: str) -> BoardAnswer:
        assert do == "boards"
        board = BoardState(id=device, kind="household", place="", state="online", updating=self._updating)
        return BoardAnswer(id="b-1", ok=True, boards=[board])


@pytest.mark.parametrize(
    ("updating", "words"),
    [
        (
            "trial 0123456789abcdef",
            "expected no version on trial, got 0123456789abcdef on trial; .* keng device show says kept or rolled_back",
        ),
        ("kept 0123456789abcdef", "is at the board"),
        ("rolled_back 0123456789abcdef no receipt within 600 s", "is at the board"),
        ("", "is at the board"),
    ],
)
def test_a_board_that_the_engine_knows_to_be_on_trial_is_not_even_reset(updating: str, words: str) -> None:
    bench = settings.Bench(gateway="bench.json", user="ky-thuat-1", brokers=["127.0.0.1:8883"])
    materials = Materials("esp32_wroom", None, Package("0.2.0", "esp32_wroom", 0, {}), bench, site_files.load(SITE))
    flasher = Updater(Touched(), cast(Desk, Told(updating)), materials, Hands(None), lambda *_: None)
    with pytest.raises(FlashFailed, match=words) as failed:
        flasher.run(Job("H03-01", PORT))
    assert failed.value.step == "identify"
