# What a board does for its own life: the watchdog's feeder, the record of crashes, the floor of the clock, safe mode.
import asyncio
import os

from agent import blackbox, crashes, dates, floor, keeper, plain, watch
from agent.clock import Clock
from agent.files import Files
from kinds import fire_point, household, street_light

_folders = [0]
PERIOD = 1 << 30  # of ticks_ms on an ESP32
BUILT_S = 1_760_000_000
CA_SINCE_S, CA_END_S = 1_750_000_000, 1_830_297_599  # the latter is 2027-12-31T23:59:59Z


def new_files():
    _folders[0] += 1
    files = Files(os.getenv("SCRATCH") + f"/life{_folders[0]}")
    files.create()
    return files


# The watchdog


class Dog:
    def __init__(self):
        self.meals = 0
        self.told = []
        self.watch = watch.Watch(self.feed, self.told.append)

    def feed(self):
        self.meals += 1

    def hung(self, turns, alarming=False):
        """The task that hangs within so many turns, or None."""
        for _ in range(turns):
            try:
                self.watch.turn(alarming)
            except watch.Hung as exc:
                return str(exc)
        return None


def test_watchdog_is_fed_as_long_as_every_task_keeps_its_word():
    dog = Dog()
    for _ in range(20):
        dog.watch.expect("polls", 2)
        dog.watch.expect("session", 5)
        assert dog.hung(1) is None
    assert dog.meals == 20
    assert dog.hung(9) == "polls"
    assert dog.meals == 21, "not once more when one of them hangs"


def test_task_that_waits_for_work_starves_nothing():
    dog = Dog()
    dog.watch.expect("keeper", None)
    assert dog.hung(1000) is None
    assert dog.meals == 1000


def test_memory_that_lacks_again_and_again_needs_a_new_start_but_not_before_a_call_has_sounded_to_its_end():
    dog = Dog()
    for _ in range(9):
        dog.watch.caught(MemoryError())
        assert dog.hung(20) is None
    dog.watch.caught(MemoryError())
    assert dog.hung(20) == "memory"
    assert dog.meals == 180, "a second each, as long as a call sounds"
    assert len(dog.told) == 10


def test_new_start_for_lack_of_memory_lets_a_bell_sound_its_call_to_the_end_but_not_for_ever():
    for alarming_for in (0, 100, 1000):
        dog = Dog()
        turns = 0
        while dog.hung(1, 170 <= turns < 170 + alarming_for) is None:
            turns += 1
            dog.watch.caught(MemoryError())
        assert turns == {0: 181, 100: 270, 1000: 361}[alarming_for]


def test_memory_that_lacks_now_and_then_or_another_failure_needs_no_new_start():
    dog = Dog()
    for _ in range(50):
        dog.watch.caught(MemoryError())
        assert dog.hung(21) is None
        for _ in range(21):
            dog.watch.caught(KeyError())
            assert dog.hung(1) is None


def test_keeper_at_rest_is_well_and_one_that_hangs_with_work_is_not():
    class Journal:
        waiting = 0

    async def run():
        dog = Dog()
        hand = keeper.Keeper(Journal(), None, None, lambda: None, dog.watch)
        task = asyncio.create_task(hand.run())
        await asyncio.sleep(0.01)
        assert dog.hung(1000) is None
        done = []
        hand.chore(lambda: done.append(1))
        await asyncio.sleep(0.01)
        assert done == [1]
        assert dog.hung(1000) is None
        task.cancel()
        hand.chore(lambda: done.append(2))
        for _ in range(keeper.JOB_TURNS):
            assert dog.hung(1) is None
            hand.chore(lambda: done.append(3))
        assert dog.hung(1) == "keeper", "more work is no sign of life"

    asyncio.run(run())


# The record of crashes


TRACEBACK = """Traceback (most recent call last):
  File "main.py", line 45, in <module>
  File "asyncio/core.py", line 1, in run
  File "agent/agent.py", line 117, in _look_at
  File "agent/points.py", line 12, in sense
KeyError: x
"""


def test_crash_is_told_by_its_innermost_frames():
    assert blackbox.tail(TRACEBACK) == (
        "main.py:45 <module>; asyncio/core.py run; agent/agent.py:117 _look_at; agent/points.py:12 sense; KeyError: x"
    )
    deep = blackbox.tail(TRACEBACK.replace("KeyError: x", '  File "agent/deep.py", line 7, in again\n' * 50 + "RuntimeError: " + "y" * 500))
    assert len(deep) <= blackbox.LONGEST
    assert deep.startswith("agent/deep.py:7 again; agent/deep.py:7 again; ")
    assert deep.endswith("RuntimeError: " + "y" * (blackbox.MESSAGE - 14))
    assert blackbox.tail("Traceback (most recent call last):\nValueError: \x00é\x1b[31m") == "ValueError: ???[31m"
    assert blackbox.tail("") == ""


def test_record_outlives_a_start_and_a_broken_one_is_none():
    files = new_files()
    assert (blackbox.load(files).text, blackbox.load(files).told) == ("", True)
    blackbox.add(files, "agent/points.py sense; KeyError: x", 12)
    kept = blackbox.load(files)
    assert (kept.text, kept.told, kept.runs) == ("agent/points.py sense; KeyError: x", False, [12])
    blackbox.change(files, told=True)
    kept = blackbox.load(files)
    assert (kept.text, kept.told, kept.runs) == ("agent/points.py sense; KeyError: x", True, [12])
    for rubbish in (b"", b"\xff\xfe", b"new x\n", b"\n\n", b"new 1 2 3 4 5 6 7 8 9\n" + b"z" * 5000):
        files.write(blackbox.NAME, rubbish)
        kept = blackbox.load(files)
        assert len(kept.runs) <= blackbox.SAFE_CRASHES
        assert len(kept.text) <= blackbox.LONGEST


def test_three_crashes_within_ten_minutes_of_running_make_safe_mode():
    for runs, safe in (
        ([1, 2, 3], True),
        ([9999, 300, 300], True),  # how long the first of them had run does not matter
        ([1, 300, 301], False),
        ([1, 2], False),
        ([500, 500, 1, 2], True),
    ):
        files = new_files()
        for ran_s in runs:
            blackbox.add(files, "x", ran_s)
        assert blackbox.begin(files, "soft").is_safe() is safe, runs


def test_watchdog_that_bit_counts_as_a_crash_and_a_loss_of_power_does_not():
    files = new_files()
    for reason in ("power", "hard", "soft", "watchdog", "watchdog"):
        found = blackbox.begin(files, reason)
    assert (found.text, found.runs) == ("watchdog: the board stood still", [0, 0])
    assert not found.is_safe()
    assert blackbox.begin(files, "watchdog").is_safe()
    assert blackbox.begin(files, "power").is_safe(), "switching it off and on mends nothing"


def test_crash_that_cannot_be_kept_is_told_all_the_same():
    class Full(Files):
        def write(self, name, data):
            raise OSError(28)

    assert "not kept" in blackbox.begin(Full(new_files()._folder), "watchdog").text


def test_safe_mode_ends_by_itself():
    one = crashes.Crashes(new_files(), "x", True, True)
    assert one.poll(crashes.CALM_MS) == (None, False)
    assert not one.is_over(crashes.SAFE_MS - 1)
    assert one.is_over(crashes.SAFE_MS)
    assert not crashes.Crashes(new_files()).is_over(crashes.SAFE_MS)


def test_safe_mode_has_contacts_and_keys_and_nothing_else():
    configured = {"button-1": {"loop": "loop-1"}, "smoke-1": None, "button-3": {}, "battery": {}, "mains": {}, "indicator": {}}
    assert plain.chosen(household, configured) == {"button-1": {"loop": "loop-1"}, "smoke-1": None, "button-3": {}}
    for kind in (fire_point, street_light):
        everything = {row[0]: {} for row in kind.OPTIONAL}
        everything.update({name: {} for name in kind.OPTIONAL_OUTPUTS})
        found = plain.chosen(kind, everything)
        drivers = {row[0]: row[3] for row in kind.POINTS + kind.OPTIONAL}
        assert all(found[name] is None or drivers[name] == "contact" for name in found)
        assert all(found[row[0]] is None for row in kind.POINTS if row[3] != "contact")


# The floor of the clock


class Told:
    """A Clock whose engine says `t`, now."""

    def __init__(self, t=None):
        self.ms = 0
        self.t = t

    def now(self):
        return self.ms

    def unix(self, at):
        return self.t


def kept_floor(start_s, clock, end_s=None, files=None):
    """(what is in the file, what the clock was set to) after floor.keep()."""
    files = files or new_files()
    clocks = []
    floor.Floor(files, start_s, end_s, clock, clocks.append).keep()
    assert files.read(floor.NAME) == floor.line(clocks[0])
    return clocks[0]


def test_floor_rises_with_the_running_time_and_at_most_a_day_more():
    clock = Told()
    clock.ms = 3_600_000
    hour_later = BUILT_S + 3600
    assert kept_floor(BUILT_S, clock) == hour_later
    for told_s, floor_s in (
        (hour_later + 60, hour_later + 60),
        (hour_later + floor.DAY_S, hour_later + floor.DAY_S),
        (hour_later + floor.DAY_S + 1, hour_later + floor.DAY_S),
        (hour_later + 365 * floor.DAY_S, hour_later + floor.DAY_S),  # a year ahead
        (1_577_836_800, hour_later),  # 2020
        (0, hour_later),
    ):
        clock.t = told_s * 1000
        assert kept_floor(BUILT_S, clock) == floor_s


def test_engine_far_ahead_carries_the_floor_by_one_day_a_start_and_never_past_the_end_of_the_ca():
    files = new_files()
    now_s = CA_END_S - 400 * floor.DAY_S
    end_s = CA_END_S - dates.MARGIN_S
    start_s = now_s
    for _ in range(500):
        clock = Told((now_s + 500 * floor.DAY_S) * 1000)
        clock.ms = floor.FIRST_MS
        before_s, start_s = start_s, kept_floor(start_s, clock, end_s, files)
        assert before_s <= start_s <= min(before_s + 3600 + floor.DAY_S, end_s)
    assert start_s == end_s
    assert dates._kept(files) == end_s
    # The engine's clock is right again: the floor stays, the certificate is still good.
    assert kept_floor(start_s, Told(now_s * 1000), end_s, files) == end_s


def test_floor_is_written_after_an_hour_and_then_once_a_day():
    one = floor.Floor(None, 0, None, None, None)
    times = [now for now in range(0, 4 * 86_400_000, 60_000) if one.take_due(now)]
    assert times == [3_600_000 + day * 86_400_000 for day in range(4)]


# A certificate's dates, in DER written by hand: RFC 5280, section 4.1.


def element(tag, contents):
    length = len(contents)
    if length < 0x80:
        return bytes([tag, length]) + contents
    if length < 0x100:
        return bytes([tag, 0x81, length]) + contents
    return bytes([tag, 0x82, length >> 8, length & 0xFF]) + contents


def certificate(since=b"250615150640Z", end=b"271231235959Z", version=True, issuer=b"\x00" * 200):
    time = [element(0x17 if len(text) == 13 else 0x18, text) for text in (since, end)]
    parts = element(0xA0, b"\x02\x01\x02") if version else b""
    parts += element(0x02, b"\x01") + element(0x30, b"\x06\x00") + element(0x30, issuer) + element(0x30, time[0] + time[1])
    return element(0x30, element(0x30, parts + element(0x30, b"subject")) + element(0x30, b"algorithm"))


def test_dates_of_a_certificate_are_read():
    assert dates.validity(certificate()) == (CA_SINCE_S, CA_END_S)
    assert dates.validity(certificate(version=False)) == (CA_SINCE_S, CA_END_S)
    assert dates.validity(certificate(since=b"19700101000000Z", end=b"20991231235959Z")) == (0, 4_102_444_799)
    assert dates.validity(certificate(since=b"500101000000Z".replace(b"50", b"70", 1), end=b"20240229000001Z")) == (0, 1_709_164_801)
    assert dates.validity(certificate(end=b"99991231235959Z"))[1] == 253_402_300_799


def test_broken_certificate_is_refused_and_trips_nothing():
    whole = certificate()
    for length in range(len(whole)):
        try:
            dates.validity(whole[:length])
        except (ValueError, IndexError):
            continue
        raise AssertionError(length)
    for since in (b"2506151506Z", b"250615150640+", b"25061515064xZ", b"259915150640Z"):
        try:
            dates.validity(certificate(since=since))
        except ValueError:
            continue
        raise AssertionError(since)


def begin(files, der=None, built_s=BUILT_S):
    if der is not None:
        files.write("ca.der", der)
    return dates.begin(files, files._path("ca.der"), built_s)


def test_start_takes_the_latest_of_the_bundle_the_floor_and_the_ca():
    files = new_files()
    assert begin(files) == (BUILT_S, None, None)
    assert begin(files, certificate()) == (BUILT_S, CA_END_S - dates.MARGIN_S, None)
    assert begin(files, certificate(since=b"260615150640Z"))[0] == CA_SINCE_S + 365 * 86_400
    files.write(floor.NAME, floor.line(BUILT_S + 5))
    assert begin(files, certificate())[0] == BUILT_S + 5
    files.write(floor.NAME, floor.line(BUILT_S - 5))
    assert begin(files, certificate())[0] == BUILT_S, "an older floor than the bundle's is none"


def test_start_lies_never_beyond_the_end_of_the_ca_whatever_the_other_dates():
    files = new_files()
    files.write(floor.NAME, floor.line(CA_END_S + 99 * 86_400))
    assert begin(files, certificate())[0] == CA_END_S - dates.MARGIN_S
    assert begin(new_files(), certificate(), built_s=CA_END_S + 1)[0] == CA_END_S - dates.MARGIN_S


def test_broken_floor_is_none():
    for broken in (b"", b"1763791234", b"1763791234 1763791235", b"x x", b"\xff\xff", b"1 1 1", b"99999999999 99999999999", b"-5 -5"):
        files = new_files()
        files.write(floor.NAME, broken)
        assert begin(files)[0] == BUILT_S, broken


def test_broken_ca_is_said_and_bounds_nothing():
    start_s, end_s, problem = begin(new_files(), b"-----BEGIN CERTIFICATE-----")
    assert (start_s, end_s) == (BUILT_S, None)
    assert "expected tag 0x30" in problem


# The monotonic clock


def test_clock_goes_on_when_the_ticks_wrap():
    ticks = [PERIOD - 5]
    one = Clock(lambda: ticks[0])
    seen = []
    for step in (0, 3, 3, PERIOD - 1, 10):
        ticks[0] = (ticks[0] + step) & (PERIOD - 1)
        seen.append(one.now())
    assert seen == [0, 3, 6, PERIOD + 5, PERIOD + 15]
