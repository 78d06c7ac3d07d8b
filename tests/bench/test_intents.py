"""What a board is to be sent, compared with what is known of it, and how that is told."""

from typing import Any

import pytest

from firmware.bench.intents import KEYS, intent
from protocol.boards import BoardState
from protocol.config import FIXED, BoardConfig, digest

FILES: dict[str, Any] = {
    **{"site": "xa-mau", "device": "H03-01", "kind": "household", "group": "TLG-03", "verify_s": 30},
    **{"brokers": [{"host": "192.168.10.2", "port": 8883}], "wifi": [{"ssid": "Ngõ Thủ 5", "key": "hush-hush"}]},
    "points": {"button-2": None, "heat-1": {"hold_ms": 60}, "tamper": {}},
}


def config(**fields: Any) -> BoardConfig:
    return BoardConfig.model_validate(FILES | fields)


def board(told: BoardConfig | None, *, uses: str | None = None) -> BoardState:
    """A board of which that was told; `uses`: the digest in its birth, if it is another."""
    words = told.model_copy(update={"server_name": "gw"}).told() if told else None
    return BoardState(
        id="H03-01", kind="household", place="", state="online", told=words, config=uses if uses is not None else digest(words or {})
    )


def test_a_board_that_has_it_is_sent_nothing() -> None:
    found = intent(config(), board(config()))
    assert (found.fields, found.lines, found.left) == ({}, [], [])


def test_a_board_whose_digest_is_that_of_the_files_has_it_whatever_was_told_before() -> None:
    found = intent(config(), board(config(verify_s=9)).model_copy(update={"config": config(server_name="gw").digest()}))
    assert found.fields == {}


def test_what_differs_is_sent_and_shown_before_and_after() -> None:
    before = config(
        verify_s=60,
        bell_sense=False,
        group="TLG-04",
        brokers=[{"host": "192.168.10.2", "port": 8883}, {"host": "192.168.10.3", "port": 8883}],
        points={"heat-1": {}, "gas-1": {}},
    )
    found = intent(config(), board(before))
    assert found.lines == [
        "group: TLG-04 → TLG-03",
        "brokers: 192.168.10.2:8883, 192.168.10.3:8883 → 192.168.10.2:8883",
        "bell_sense: false → true",
        "verify_s: 60 → 30",
        "points.button-2: as usual → not fitted",
        "points.gas-1: fitted → as usual",
        "points.heat-1: fitted → hold_ms=60",
        "points.tamper: as usual → fitted",
    ]
    assert list(found.fields) == [
        key for key in BoardConfig.model_fields if key in ("group", "brokers", "bell_sense", "verify_s", "points")
    ]
    assert found.fields["points"] == FILES["points"]


@pytest.mark.parametrize(
    "known", [board(None), board(None, uses="0123abcd"), board(config(verify_s=9), uses="0123abcd"), board(config(), uses="")]
)
def test_a_board_of_which_nothing_is_known_for_certain_is_sent_everything(known: BoardState) -> None:
    found = intent(config(), known)
    assert set(found.fields) == set(KEYS) == set(BoardConfig.model_fields) - {*FIXED, "password"}
    assert found.lines == [
        "kind: not known → household",
        "group: not known → TLG-03",
        "brokers: not known → 192.168.10.2:8883",
        'wifi: not known → "Ngõ Thủ 5"',
        "bell_sense: not known → true",
        "verify_s: not known → 30",
        "points: not known → button-2 not fitted, heat-1 hold_ms=60, tamper fitted",
    ]


def test_chosen_keys_alone_are_sent_and_what_is_left_is_told() -> None:
    found = intent(config(), board(config(verify_s=60, points={})), ("verify_s", "group"))
    assert (found.fields, found.lines, found.left) == ({"verify_s": 30}, ["verify_s: 60 → 30"], ["points"])


def test_wifi_is_sent_where_it_is_chosen_since_its_keys_are_known_to_nobody() -> None:
    changed = config(wifi=[{"ssid": "Ngõ Thủ 5", "key": "hush-again"}])
    assert intent(changed, board(config())).fields == {}
    found = intent(changed, board(config()), ("wifi",))
    assert found.fields == {"wifi": [{"ssid": "Ngõ Thủ 5", "key": "hush-again"}]}
    assert found.lines == ['wifi: "Ngõ Thủ 5", sent anew with its keys']
    assert "hush" not in "".join(intent(changed, board(None)).lines)
