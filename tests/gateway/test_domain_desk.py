import pytest
from commune import World


def fire() -> World:
    world = World()
    world.press("H03-07")
    return world


def test_a_leader_decides_for_the_own_group_alone():
    world = fire()
    assert world.command("acknowledge", user="to-truong-03") == ""
    other = World()
    other.press("DCC-017")
    assert "leader" in other.command("acknowledge", user="to-truong-03")


@pytest.mark.parametrize("user", ["ky-thuat-1", "nobody"])
def test_others_decide_nothing(user):
    world = fire()
    assert world.command("silence", user=user)
    assert world.only.sounding


@pytest.mark.parametrize("seconds", [-31, 31])
def test_a_command_of_another_moment_is_refused(seconds):
    world = fire()
    assert "30 s" in world.command("silence", t=world.now.ms + seconds * 1000)
    assert world.command("silence", t=world.now.ms + (seconds - seconds // abs(seconds)) * 1000) == ""


def test_a_command_for_an_incident_that_has_changed_is_refused():
    world = fire()
    version = world.only.version
    world.press("H03-08")
    assert "changed" in world.command("silence", version=version)
    assert world.only.sounding


def test_a_second_acknowledge_is_refused():
    world = fire()
    world.command("acknowledge")
    assert "acknowledged" in world.command("acknowledge", user="to-truong-03")


def test_a_command_for_no_incident_is_refused():
    world = fire()
    assert "not resolved" in world.command("silence", incident="2020-000001")


def test_channels_hear_of_each_decision_once():
    world = World(channels=("hook",))
    world.press("H03-07")
    world.press("H03-08")
    world.command("acknowledge")
    world.command("resolve")
    assert [delivery.what for delivery in world.only.deliveries] == ["opened", "re_alarmed", "acknowledged", "resolved"]
