"""What comes late or in another order than it happened: a board sends alarms first, the rest when there is time, all of it when there is a
gateway again.
"""

import hypothesis.strategies as st
from commune import LIFE, World, with_people
from hypothesis import given, settings


def test_an_older_clear_that_comes_behind_a_newer_alarm_ends_no_verification():
    world = World()
    world.event("H03-07", "smoke-1", id=f"{LIFE}-1-5", age=30_000)
    world.event("H03-07", "smoke-1", id=f"{LIFE}-1-7", age=5_000)
    world.event("H03-07", "smoke-1", "clear", id=f"{LIFE}-1-6", age=20_000, now="active")
    assert world.only.active == {"H03-07/smoke-1": f"{LIFE}-1-7"}
    world.later(61)
    assert (world.only.kind, world.only.sounding, world.order.pattern) == ("fire", True, "fire")


def test_a_key_that_was_pressed_before_the_newest_alarm_cancels_none_though_an_older_alarm_comes_last():
    world = World()
    world.event("H03-07", "smoke-1", id=f"{LIFE}-1-7")
    world.event("H03-07", "smoke-1", id=f"{LIFE}-1-5", age=5_000)
    world.event("H03-07", "silence", type="key", id=f"{LIFE}-1-6")
    world.later(61)
    assert world.only.kind == "fire"


def test_a_cancel_ends_when_the_contact_is_active_anew_though_nobody_has_told_yet_that_it_was_clear():
    world = World()
    world.event("H03-07", "smoke-1", id=f"{LIFE}-1-1")
    world.event("H03-07", "silence", type="key", id=f"{LIFE}-1-2")
    world.later(120)
    world.event("H03-07", "smoke-1", id=f"{LIFE}-1-4")
    world.event("H03-07", "smoke-1", "clear", id=f"{LIFE}-1-3", age=30_000, now="active")
    world.later(61)
    assert world.only.kind == "fire"


def test_a_listed_contact_that_is_clear_before_its_turn_is_shown_and_believed_by_nobody():
    world = World()
    world.born("H03-07", active={"smoke-1": f"{LIFE}-1-7"}, unknown=("smoke-1",))
    world.later(1)
    world.event("H03-07", "smoke-1", "clear", id=f"{LIFE}-1-8")
    world.later(2)
    assert (world.only.kind, world.only.active) == ("smoke", {})
    world.later(61)
    assert (world.only.kind, world.only.sounding) == ("smoke", False)


def test_smoke_that_was_under_way_for_long_is_not_verified_once_more():
    world = World()
    world.event("H03-07", "smoke-1", age=50_000)
    world.later(9)
    assert world.only.kind == "smoke"
    world.later(1)
    assert (world.only.kind, world.order.pattern) == ("fire", "fire")


def test_a_clock_that_may_be_wrong_shortens_no_verification():
    world = World()
    world.event("H03-07", "smoke-1", age=None, t=world.now.ms - 3_600_000)
    world.later(59)
    assert world.only.kind == "smoke"


def test_a_cancel_holds_from_the_moment_of_the_key_and_not_from_when_we_hear_of_it():
    world = World()
    world.event("H03-07", "smoke-1", age=500_000)
    world.event("H03-07", "silence", type="key", age=480_000, now="clear")
    world.later(119)
    assert world.only.kind == "smoke"
    world.later(1)
    assert world.only.kind == "fire"


def test_a_cancel_that_comes_right_behind_its_smoke_is_waited_for():
    world = World()
    world.event("H03-07", "smoke-1", age=120_000)
    world.later(4)
    world.event("H03-07", "silence", type="key", age=100_000, now="clear")
    world.later(400)
    assert world.only.kind == "smoke"


def test_a_cancel_of_two_hours_ago_holds_nothing_back():
    world = World()
    world.event("H03-07", "smoke-1", age=7_200_000)
    world.event("H03-07", "silence", type="key", age=7_100_000, now="clear")
    world.later(5)
    assert world.only.kind == "fire"


def test_a_late_alarm_rings_no_bell_though_a_neighbouring_group_has_a_fire():
    world = World(commune=with_people(policy={"neighbours_m": 50}))
    world.press("DCC-017")
    world.event("H03-07", "button-1", age=7_200_000, now="clear")
    fire, late = world.situation.incidents.values()
    assert (fire.groups, late.groups, late.late) == (("DCC-N5",), ("TLG-03",), True)
    assert world.order.pattern is None
    world.press("H03-07")
    assert world.order.pattern == "fire"


def test_a_police_receiver_hears_of_no_alarm_that_was_long_over_and_of_the_next():
    world = World(channels=("sia:police", "webhook:city"))
    world.event("H03-07", "button-1", age=7_200_000, now="clear")
    assert [row.delivery.channel for row in world.effects.deliveries] == ["webhook:city"]
    world.press("H03-07")
    assert [row.delivery.channel for row in world.effects.deliveries] == ["sia:police", "webhook:city"]


def test_an_end_of_what_a_police_receiver_has_not_heard_of_is_not_told_either():
    world = World(channels=("sia:police",))
    world.event("H03-07", "button-1", age=7_200_000, now="clear")
    world.command("resolve")
    assert world.effects.deliveries == []


@given(
    changes=st.lists(st.tuples(st.integers(1, 60), st.sampled_from(["contact", "contact", "key"])), min_size=1, max_size=7),
    ago_s=st.integers(1, 90),
    first=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_smoke_that_is_told_in_one_breath_ends_as_if_it_had_been_told_in_its_order(
    changes: list[tuple[int, str]], ago_s: int, first: bool
) -> None:
    """A board without a network for a while: its contact changes, its key is pressed, and then it sends all of it, alarms first."""
    at_s, active, cancelled, told = 0, False, False, []
    for pause_s, what in changes:
        at_s += pause_s
        if what == "contact":
            active, cancelled = not active, False
        elif active:
            cancelled = True
        told.append((at_s, what, active))
    world = World()
    end_s, seqs = at_s + ago_s, list(enumerate(told, 1))
    for seq, (then_s, what, was_active) in sorted(seqs, key=lambda one: (first and one[1][1:] != ("contact", True), one[0])):
        now = ("active" if active else "clear") if what == "contact" else "clear"
        fields = {"id": f"{LIFE}-1-{seq}", "age": (end_s - then_s) * 1000, "now": now}
        if what == "contact":
            world.event("H03-07", "smoke-1", "active" if was_active else "clear", **fields)
        else:
            world.event("H03-07", "silence", type="key", **fields)
        world.later(0.2)
    world.later(90)
    kinds = [one.kind for one in world.situation.incidents.values()]
    if "contact" in (what for _, what in changes):
        assert kinds == ["fire" if active and not cancelled else "smoke"]
    else:
        assert kinds == []
