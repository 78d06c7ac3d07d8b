# A contact that chatters: no alarm is lost, and the flash is not worn out.
import json

from agent import points
from agent.points import CALM_MS, FREE, NEVER, REFILL_MS, Point
from virtual_board import Stage, online

DAY_MS = 86_400_000


def writes(stage):
    """Count the files that the journal writes from now on."""
    count = [0]
    write = stage.files.write

    def counted(name, data):
        count[0] += 1
        write(name, data)

    stage.files.write = counted
    return count


def chatter(stage, terminal, ms, period_ms):
    """Let a contact open and close for so long, the engine receipting what it hears."""
    end = stage.ms + ms
    while stage.ms < end:
        for active in (True, False):
            stage.set(terminal, active)
            stage.live(period_ms // 2)
            stage.receipt_all()


def test_first_press_is_at_once_and_kept_and_so_are_those_of_a_nervous_finger():
    stage = online()
    count = writes(stage)
    chatter(stage, "button-1", 200 * FREE // 2, 200)
    assert stage.states("button-1") == ["active", "clear"] * (FREE // 2)
    assert count[0] == FREE
    assert stage.birth_faults() == []


def test_chattering_button_is_told_as_faulty_and_stays_an_alarm():
    stage = online()
    count = writes(stage)
    chatter(stage, "button-1", 20_000, 200)
    assert count[0] == FREE
    assert stage.birth_faults() == ["button-1: chatters"]
    assert stage.states("button-1")[-1] == "active"
    stage.live(CALM_MS)
    assert stage.states("button-1")[-1] == "clear"
    assert stage.parts.bell.sound == "fire"  # its group is still being called


def test_chattering_contact_says_at_most_two_things_a_minute():
    stage = online(points={"tamper": {}})
    chatter(stage, "tamper", 20_000, 200)
    said = len(stage.states("tamper"))
    chatter(stage, "tamper", 3 * 60_000, 2000)
    assert len(stage.states("tamper")) - said <= 2 * 3 + 1


def test_press_on_another_point_is_not_delayed_by_one_that_chatters():
    stage = online(points={"tamper": {}})
    chatter(stage, "tamper", 20_000, 200)
    pressed = stage.ms
    stage.set("button-1", True)
    stage.live(300)
    assert stage.beats("bell", pressed)[0][0] - pressed <= 50
    assert json.loads(stage.events("button-1")[0])["calling"]


def test_silence_key_that_chatters_still_silences_within_two_seconds():
    stage = online()
    chatter(stage, "silence", 20_000, 200)
    stage.live(3_000)
    stage.set("button-1", True)
    stage.live(1_000)
    assert stage.parts.bell.sound == "fire"
    stage.set("silence", True)
    stage.live(100)
    assert stage.parts.bell.sound is None


def test_fault_goes_with_the_chatter():
    stage = online(points={"tamper": {}})
    chatter(stage, "tamper", 20_000, 200)
    stage.live(FREE * REFILL_MS, step_ms=20_000)
    stage.hear("tick", b'{"v":1,"engine":"5be07711-4","t":1}')
    stage.live(6_000, step_ms=1000)
    assert stage.birth_faults() == []


def test_restart_amid_chatter_takes_up_the_last_state_that_was_kept():
    stage = online()
    chatter(stage, "button-1", 20_000, 200)
    again = Stage(folder=stage.folder)
    again.set("button-1", True)
    again.hello()
    again.live(500)
    assert again.parts.bell.sound == "fire"
    assert again.said("group/G1/call/B1")


def test_flash_writes_of_a_point_are_bounded_on_every_day():
    point = Point("door", "door", NEVER, None)
    kept = []
    now = 0
    while now < 3 * DAY_MS:
        for state in ("active", "clear"):
            while point.waits(state, now):
                now += 10_000
            if point.count(now):
                kept.append(now)
            now += 50
    days = [len([at for at in kept if at // DAY_MS == day]) for day in range(3)]
    assert days[0] <= FREE + DAY_MS // REFILL_MS
    assert max(days[1:]) <= DAY_MS // REFILL_MS + 1
    assert points.FREE + DAY_MS // points.REFILL_MS == 72
