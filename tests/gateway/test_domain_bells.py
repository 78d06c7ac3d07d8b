import pytest
from commune import LIFE, World

from gateway.domain.snapshots import snapshot


def states(world: World) -> dict[str, str]:
    return {bell.device: bell.state for bell in world.only.bells}


def test_a_silent_bell_is_named_within_three_seconds_of_the_press():
    world = World()
    call = world.press("H03-07", age=200)
    for device in states(world):
        if device != "H03-12":
            world.rings(device, call, k=1)
    world.later(2.7)
    assert [device for device, state in states(world).items() if state == "silent"] == ["H03-12"]
    assert (world.only.timeline[-1].what, world.only.timeline[-1].who) == ("bell_silent", "H03-12")


def test_a_bell_has_time_to_answer_though_the_press_was_long_under_way():
    world = World()
    world.press("H03-07", age=60_000)
    world.later(1)
    assert set(states(world).values()) == {"waiting"}


def test_proof_is_counted_apart():
    world = World()
    call = world.press("H03-07")
    world.rings("H03-01", call, k=1)
    world.rings("H03-02", world.only.id, n=1, proof="commanded")
    world.rings("H03-03", call, state="silent", proof=None)
    assert [states(world)[f"H03-0{n}"] for n in (1, 2, 3)] == ["measured", "commanded", "fault"]
    assert ("H03-03", "bell", "bell_fault") in world.logged()


def test_proof_of_an_earlier_activation_does_not_count_for_a_later_one():
    world = World()
    call = world.press("H03-07")
    world.press("H03-08")
    world.rings("H03-01", call, k=1)
    world.rings("H03-02", world.only.id, n=1)
    world.rings("H03-03", world.only.id, n=2)
    assert [states(world)[f"H03-0{n}"] for n in (1, 2, 3)] == ["waiting", "waiting", "measured"]


def test_an_answer_to_a_call_counts_though_it_comes_before_the_press():
    world = World()
    world.rings("H03-01", "9c41f2aa-7-1", k=1)
    world.press("H03-07", id="9c41f2aa-7-1")
    assert states(world)["H03-01"] == "measured"


def test_a_silent_bell_that_is_heard_late_is_no_longer_silent():
    world = World()
    world.press("H03-07")
    world.later(3)
    world.rings("H03-01", world.only.id, n=1)
    assert states(world)["H03-01"] == "measured"
    assert world.only.timeline[-1].what == "bell_late"


@pytest.mark.parametrize(("by", "state"), [("key", "silenced"), ("fault", "fault"), ("ring", "measured"), ("time", "silent")])
def test_a_bell_that_stops_says_why(by, state):
    world = World()
    call = world.press("H03-07")
    world.rings("H03-01", call, k=1)
    world.rings("H03-01", call, k=1, state="clear", proof=None, by=by)
    assert states(world)["H03-01"] == state


def test_a_proof_does_not_make_a_desk_command_stale():
    world = World()
    call = world.press("H03-07")
    version, revision = world.only.version, world.only.revision
    world.rings("H03-01", call, k=1)
    assert world.only.version == version
    assert world.only.revision > revision


def test_a_bell_fault_ends_when_the_bell_sounds_and_not_when_it_stops():
    world = World()
    call = world.press("H03-07")
    world.rings("H03-01", call, state="silent", proof=None)
    world.rings("H03-01", call, state="clear", proof=None, by="ring")
    assert world.logged() == []
    world.rings("H03-01", call)
    assert world.logged() == [("H03-01", "bell", "bell_ok")]


def test_the_first_proof_says_how_soon_a_bell_rang():
    world = World()
    call = world.press("H03-07")
    world.rings("H03-01", call, k=1)
    first = world.only.bells[0].after_ms
    world.later(1)
    world.rings("H03-01", world.only.id, n=1)
    assert world.only.bells[0].after_ms == first


def test_answers_that_say_nothing_new_are_not_kept():
    world = World()
    call = world.press("H03-07")
    for _ in range(50):
        world.rings("H03-01", world.only.id, n=1)
        world.rings("H03-01", call, k=1)
    assert world.situation.early == {}


def test_of_calls_whose_press_never_comes_one_answer_of_each_bell_is_kept():
    world = World()
    for k in range(1, 50):
        world.rings("H03-01", "9c41f2aa-7-1", k=k)
        world.rings("H03-02", "9c41f2aa-7-1", k=k)
    assert [len(proofs) for proofs in world.situation.early.values()] == [2]


@pytest.mark.parametrize("by", ["key", "time", "fault"])
def test_a_stop_that_comes_after_a_later_proof_says_nothing(by):
    world = World()
    world.press("H03-07")
    world.press("H03-08")
    world.rings("H03-01", world.only.id, n=2, id=f"{LIFE}-1-99")
    world.rings("H03-01", world.only.id, n=1, id=f"{LIFE}-1-98", state="clear", proof=None, by=by)
    assert states(world)["H03-01"] == "measured"


@pytest.mark.parametrize("years", [-2, -1, 1, 2])
def test_a_bell_is_proved_though_the_clock_was_set_by_years_while_the_engine_was_dead(years):
    world = World()
    world.press("H03-07")
    world.later(years * 365 * 86_400)
    world.rings("H03-01", world.only.id, n=1)
    shown = snapshot(world.only, engine=f"{LIFE}-2", group_name="Tổ 3")
    bell = next(bell for bell in shown.bells if bell.device == "H03-01")
    assert (bell.state, bell.after_ms) == ("measured", None if years > 0 else 0)


def test_proof_of_a_call_does_not_count_for_what_the_desk_has_raised_again():
    world = World()
    call = world.press("H03-07")
    world.command("alarm_again")
    world.rings("H03-08", call, k=1)
    assert next(bell.state for bell in world.only.bells if bell.device == "H03-08") == "waiting"
    world.rings("H03-08", world.only.id, n=2)
    assert next(bell.state for bell in world.only.bells if bell.device == "H03-08") == "measured"
