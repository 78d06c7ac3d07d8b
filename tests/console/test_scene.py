"""What the desk shows around an incident."""

import pytest
from stage import NOON_MS, SITE, incident

from gateway.console import scene
from gateway.store.queries import DeviceRow, Trouble
from protocol.incident import Delivery, Incident, LadderPosition, RollCall, TimelineEntry

TAKEN = Trouble("extinguisher-1", "extinguisher_taken", "", NOON_MS)
ROW = DeviceRow("DCC-018", "fire_point", "Điểm", "DCC-N5", "online", NOON_MS, "1.0.0", -61, 86, True, 0, [])
SPOT = next(spot for spot in SITE.fire_points if spot.id == "DCC-018")


def of(one: Incident, *rows: DeviceRow, live: bool = True, phones: bool = True, helps: bool = True) -> scene.Scene:
    return scene.scene(SITE, one, rows, live=live, phones=phones, helps=helps)


@pytest.mark.parametrize(
    ("row", "live", "expected"),
    [
        (ROW, True, ("good", "all", 4, 4)),
        (ROW._replace(troubles=(TAKEN,)), True, ("fault", "some", 3, 4)),
        (ROW._replace(troubles=(TAKEN._replace(point=f"extinguisher-{n}") for n in range(4))), True, ("fault", "none", 0, 4)),
        (ROW._replace(state="lost"), True, ("lost", "unknown", 0, 0)),
        (ROW._replace(state="lost", troubles=(TAKEN,)), True, ("lost", "unknown", 0, 0)),
        (ROW, False, ("lost", "unknown", 0, 0)),
        (None, True, ("plain", "unwatched", 0, 0)),
    ],
)
def test_a_fire_point_is_ready_only_if_somebody_knows_it(row: DeviceRow | None, live: bool, expected: tuple[str, str, int, int]) -> None:
    if row is not None:
        row = row._replace(troubles=tuple(row.troubles))
    assert scene.ready(SPOT, row, live=live)[:4] == expected


def test_what_else_is_wrong_at_a_fire_point_is_named() -> None:
    opened = Trouble("cabinet", "cabinet_open", "", NOON_MS)
    found = scene.ready(SPOT, ROW._replace(troubles=(opened, opened)), live=True)
    assert (found.tone, found.key, found.more) == ("fault", "all", ("cabinet_open",))


def test_the_nearest_points_come_with_their_extinguishers() -> None:
    found = of(incident(), ROW._replace(troubles=(TAKEN,)))
    assert [(point.spot.id, point.ready.key) for point in found.points] == [
        ("DCC-018", "some"),
        ("DCC-019", "unwatched"),
        ("DCC-017", "unwatched"),
    ]
    assert [water.source.id for water in found.water] == ["AO-1", "TRU-1"]


def test_who_needs_help_is_shown_for_the_groups_of_the_incident_the_house_of_the_alarm_first() -> None:
    at_09 = incident(place=SITE.place_of("H03-09"))
    assert [(one.home, one.is_place) for one in of(at_09).help] == [("H03-09", True), ("H03-05", False)]
    assert of(incident(group="DCC-N5", groups=["DCC-N5"], place=SITE.place_of("DCC-017"), activations=[])).help == ()


def test_who_may_not_see_it_sees_neither_phone_nor_who_needs_help() -> None:
    told = Delivery(id=1, channel="sms", what="opened", person="to-truong-03", step=1, state="handed", tries=1, at_ms=NOON_MS)
    one = incident(deliveries=[told])
    assert of(one).told[0].phone
    hidden = of(one, phones=False, helps=False)
    assert (hidden.help, hidden.told[0].phone) == ((), "")
    assert scene.on_map(one, hidden, SITE)["help"] == []


def test_each_person_stands_once_with_the_newest_of_each_way_and_programs_apart() -> None:
    def sent(number: int, channel: str, state: str, person: str = "to-truong-03") -> Delivery:
        return Delivery.model_validate(
            {"id": number, "channel": channel, "what": "opened", "person": person, "state": state, "tries": 1, "at_ms": NOON_MS + number}
        )

    found = of(
        incident(
            deliveries=[
                sent(1, "sms", "failed"),
                sent(2, "sms", "delivered"),
                sent(3, "voice", "waiting"),
                sent(4, "webhook:x", "handed", ""),
            ]
        )
    )
    assert [(one.id, one.best, [way.id for way in one.ways]) for one in found.told] == [("to-truong-03", "delivered", [2, 3])]
    assert [one.channel for one in found.programs] == ["webhook:x"]


def test_who_is_next_and_whether_114_was_called() -> None:
    ladder = LadderPosition(cause="fire", round=1, step=2, due_ms=NOON_MS, next=["truc-ban-1", "gone"])
    calls = [TimelineEntry(at_ms=NOON_MS + n, what="called_114", who=f"p{n}") for n in (1, 2)]
    found = of(incident(ladder=ladder, timeline=calls))
    assert [one.id for one in found.next] == ["truc-ban-1", "gone"]
    assert found.called == (NOON_MS + 2, "p2")
    assert of(incident()).called is None


def test_the_roll_call_names_first_who_needs_help_then_who_is_silent() -> None:
    says = {"a": "safe", "b": "no_answer", "c": "need_help", "d": "coming"}
    roll = [RollCall.model_validate({"home": home, "name": home, "says": said}) for home, said in says.items()]
    assert [entry.home for entry in of(incident(roll_call=roll)).roll] == ["c", "b", "d", "a"]


def test_the_map_knows_the_place_the_bells_and_what_homes_say() -> None:
    roll = [RollCall(home="H03-05", name="x", says="need_help")]
    one = incident(roll_call=roll, groups=["TLG-03"])
    shown = scene.on_map(one, of(one, ROW), SITE)
    assert shown["place"] == [20.97913, 105.91678]
    assert shown["at"] == ["H03-07"]
    assert (shown["bells"]["H03-01"], shown["bells"]["H03-11"], shown["bells"]["H03-12"]) == ("measured", "silent", "fault")
    assert shown["says"] == {"H03-05": "need_help"}
    assert shown["points"]["DCC-018"] == ["all", 4, 4]


def test_an_unplaced_device_has_a_scene_too() -> None:
    nowhere = incident(place=SITE.place_of("X-9"), group=None, groups=[], activations=[], bells=[])
    found = of(nowhere)
    assert (found.points, found.water, found.help) == ((), (), ())
    assert scene.on_map(nowhere, found, SITE)["place"] is None
