from agent.alarms import Alarms
from agent.calls import REMEMBERED
from agent.points import AT_ONCE, NEVER, VERIFY, Point

from protocol.wire import Call, Ring, covers_of

ENGINE = "5be07711-3"
MINUTE = 60_000
OWN = "9c41f2aa-17-%d"
THEIRS = "0badcafe-4-%d"


def ring(rev, pattern="fire", n=1, *, covers=None, mute=(), engine=ENGINE, incident="2026-000001", for_s=60):
    return Ring(engine, rev, incident, pattern, n, None, for_s, covers_of(covers or {}), mute, False, False)


def call(seq=1, k=1, pattern="fire"):
    return Call(THEIRS % seq, k, "button", pattern)


def button(name="button-1"):
    return Point(name, "button", AT_ONCE, None)


def smoke():
    return Point("smoke-1", "smoke", VERIFY, None)


def fresh():
    return Alarms("B1", 60_000)


def sounds(alarms, now):
    return [cause.sound for cause in alarms.causes(now)]


def answers(alarms, now):
    """What a proof would name."""
    return [(cause.id, cause.count) for cause in alarms.causes(now)]


def ks(alarms, start, end, up=True):
    """[(s after 0, k)] of the calls sent from `start` to `end` s."""
    found = []
    for second in range(start, end):
        found += [(second, one.k) for one in alarms.take_calls(second * 1000, up)]
    return found


def test_press_calls_at_0_2_5_15_30_s_then_every_150_s_and_12_times():
    alarms = fresh()
    alarms.raised(button(), OWN % 1, 0)
    times = [0, 2, 5, 15, 30] + [30 + 150 * more for more in range(1, 8)]
    assert ks(alarms, 0, 4000) == [(at, index + 1) for index, at in enumerate(times)]


def test_a_ring_that_covers_the_event_ends_its_call_sounding_or_quiet():
    for pattern in ("fire", None):
        alarms = fresh()
        alarms.raised(button(), OWN % 7, 0)
        alarms.take_calls(0, True)
        alarms.ring_heard(ring(1, pattern, covers={"B1": OWN % 6}), 1000)
        assert ks(alarms, 1, 3) == [(2, 2)]
        alarms.ring_heard(ring(2, pattern, covers={"B1": OWN % 7}), 3000)
        assert ks(alarms, 3, 400) == []
        assert sounds(alarms, 3000) == (["fire"] if pattern else [])


def test_cover_of_another_life_is_no_cover():
    alarms = fresh()
    alarms.raised(button(), OWN % 7, 0)
    alarms.ring_heard(ring(1, covers={"B1": "00000000-99-99"}), 0)
    assert ks(alarms, 0, 3) == [(0, 1), (2, 2)]


def test_own_bell_sounds_without_any_network():
    alarms = fresh()
    alarms.raised(button(), OWN % 1, 0)
    assert ks(alarms, 0, 1, up=False) == []
    assert sounds(alarms, 1000) == ["fire"]
    alarms.expire(170_000, [])
    assert sounds(alarms, 170_000) == ["fire"]


def test_reconnect_calls_a_young_press_and_an_active_point_but_not_an_old_one():
    for minutes, active, expected in ((29, [], 1), (31, [], 0), (31, ["button-1"], 1)):
        alarms = fresh()
        alarms.raised(button(), OWN % 1, 0)
        ks(alarms, 0, minutes * 60, up=False)
        alarms.expire(minutes * MINUTE, active)
        calls = alarms.reconnected(minutes * MINUTE, active)
        assert [one.k for one in calls] == [1] * expected
        assert alarms.is_calling(OWN % 1, minutes * MINUTE) == bool(expected)


def test_press_after_a_long_outage_is_called_again_and_again_like_a_new_one():
    alarms = fresh()
    alarms.raised(button(), OWN % 1, 0)
    assert ks(alarms, 0, 25 * 60, up=False) == []
    assert [one.k for one in alarms.reconnected(25 * MINUTE, [])] == [1]
    assert ks(alarms, 25 * 60, 25 * 60 + 200) == [(1502, 2), (1505, 3), (1515, 4), (1530, 5), (1680, 6)]


def test_calls_that_a_standing_clock_has_missed_are_not_made_up_for():
    alarms = fresh()
    alarms.raised(button(), OWN % 1, 0)
    assert ks(alarms, 0, 1) == [(0, 1)]
    assert ks(alarms, 100, 400) == [(100, 2), (180, 3), (330, 4)]


def test_at_most_12_calls_over_any_number_of_reconnects():
    alarms = fresh()
    alarms.raised(button(), OWN % 1, 0)
    sent = ks(alarms, 0, 10)
    for second in range(10, 30):
        sent += [(second, one.k) for one in alarms.reconnected(second * 1000, [])]
    sent += ks(alarms, 30, 4000)
    assert [k for _, k in sent] == list(range(1, 13))


def test_own_bell_sounds_while_its_point_is_active_until_the_key():
    alarms = fresh()
    alarms.raised(button(), OWN % 1, 0)
    for second in range(7200):
        alarms.take_calls(second * 1000, False)
        alarms.expire(second * 1000, ["button-1"])
    assert sounds(alarms, 7_199_500) == ["fire"]
    alarms.key("fire", 7_199_500)
    assert sounds(alarms, 7_199_500) == []


def test_call_covered_by_a_ring_that_is_over_sounds_again():
    for over in ("silent engine", "hello"):
        alarms = fresh()
        alarms.ring_heard(ring(1, covers={"B2": THEIRS % 1}), 0)
        if over == "hello":
            alarms.no_ring()
        else:
            alarms.expire(300_000, [])
        alarms.call_heard("B2", call(1, k=7), 300_000, ticking=False)
        assert sounds(alarms, 300_000) == ["fire"], over


def test_key_against_a_ring_silences_the_calls_that_it_covers_for_good():
    alarms = fresh()
    alarms.ring_heard(ring(1, covers={"B2": THEIRS % 1}), 0)
    alarms.key("fire", 1000)
    alarms.expire(300_000, [])
    alarms.call_heard("B2", call(1, k=7), 300_000, ticking=False)
    assert sounds(alarms, 300_000) == []
    alarms.call_heard("B2", call(2), 300_000, ticking=False)
    assert sounds(alarms, 300_000) == ["fire"]


def test_no_board_can_use_up_the_ids_of_another():
    alarms = fresh()
    for seq in range(1, 9):
        alarms.call_heard("B9", call(seq, k=99), 0, ticking=True)
    alarms.key("fire", 100)
    assert sounds(alarms, 100) == []
    alarms.call_heard("B2", call(1), 200, ticking=True)
    assert answers(alarms, 200) == [(THEIRS % 1, 1)]
    alarms.call_heard("B2", call(8), 200, ticking=True)
    assert answers(alarms, 200) == [(THEIRS % 8, 1)]


def test_of_a_board_the_newest_call_alone_counts():
    alarms = fresh()
    alarms.call_heard("B2", call(2), 0, ticking=True)
    alarms.call_heard("B2", call(1, k=9), 100_000, ticking=True)
    assert answers(alarms, 100_000) == [(THEIRS % 2, 1)]
    assert sounds(alarms, 180_000) == []
    alarms.call_heard("B2", call(2, k=2), 190_000, ticking=True)
    alarms.key("fire", 191_000)
    alarms.call_heard("B2", call(1, k=10), 192_000, ticking=True)
    alarms.call_heard("B2", call(2, k=3), 193_000, ticking=True)
    assert sounds(alarms, 193_000) == []
    alarms.call_heard("B2", Call("0badcaff-1-1", 1, "button", "fire"), 194_000, ticking=True)  # a new life of the board
    assert sounds(alarms, 194_000) == ["fire"]


def test_older_call_that_comes_only_now_sounds_where_the_newer_one_is_silenced_or_over():
    for silenced in (True, False):
        alarms = fresh()
        alarms.call_heard("B2", call(41), 10_000, ticking=False)  # a button, while a smoke contact waits to be believed
        if silenced:
            alarms.key("fire", 30_000)
        later = 75_000 if silenced else 200_000
        alarms.call_heard("B2", call(40), later, ticking=False)
        assert answers(alarms, later) == [(THEIRS % 40, 1)]
        alarms.call_heard("B2", call(41, k=2), later, ticking=False)
        assert answers(alarms, later) == [(THEIRS % 40, 1)]
        alarms.key("fire", later)
        for k in (3, 4):
            for seq in (41, 40):
                alarms.call_heard("B2", call(seq, k), later + 1000, ticking=False)
        assert sounds(alarms, later + 1000) == [], "what a key has silenced"
        alarms.call_heard("B2", call(42), later + 2000, ticking=False)
        assert answers(alarms, later + 2000) == [(THEIRS % 42, 1)]


def test_older_call_that_a_ring_has_covered_does_not_sound_for_the_end_of_that_ring():
    alarms = fresh()
    alarms.call_heard("B2", call(2), 0, ticking=True)
    alarms.ring_heard(ring(1, covers={"B2": THEIRS % 2}), 1000)
    alarms.no_ring()
    alarms.call_heard("B2", call(1), 2000, ticking=True)
    assert sounds(alarms, 2000) == []


def test_call_of_an_earlier_start_of_the_board_is_none_and_that_of_a_later_one_counts_anew():
    alarms = fresh()
    alarms.call_heard("B2", call(2), 0, ticking=True)
    alarms.key("fire", 100)
    alarms.call_heard("B2", Call("0badcafe-3-9", 1, "button", "fire"), 200, ticking=True)
    assert sounds(alarms, 200) == []
    alarms.call_heard("B2", Call("0badcafe-5-1", 1, "button", "fire"), 300, ticking=True)
    alarms.key("fire", 400)
    alarms.call_heard("B2", Call("0badcafe-5-2", 1, "button", "fire"), 500, ticking=True)
    assert answers(alarms, 500) == [("0badcafe-5-2", 1)]


def test_call_whose_ring_is_over_sounds_again_but_not_for_what_was_said_before():
    alarms = fresh()
    alarms.call_heard("B2", call(1), 0, ticking=True)
    alarms.ring_heard(ring(1, covers={"B2": THEIRS % 1}), 1000)
    alarms.no_ring()
    assert sounds(alarms, 2000) == []
    alarms.call_heard("B2", call(1), 3000, ticking=True)
    assert sounds(alarms, 3000) == []
    alarms.call_heard("B2", call(1, k=2), 4000, ticking=True)
    assert answers(alarms, 4000) == [(THEIRS % 1, 2)]


def test_covered_call_that_comes_late_does_not_end_a_newer_one_that_sounds():
    alarms = fresh()
    alarms.ring_heard(ring(1, None, covers={"B2": THEIRS % 1}), 0)
    alarms.call_heard("B2", call(2), 1000, ticking=True)
    alarms.call_heard("B2", call(1, k=2), 2000, ticking=True)
    assert answers(alarms, 2000) == [(THEIRS % 2, 1)]


def test_call_that_a_key_has_silenced_through_its_ring_stays_silent_when_another_ring_comes():
    alarms = fresh()
    alarms.call_heard("B2", call(1), 0, ticking=True)
    alarms.ring_heard(ring(1, covers={"B2": THEIRS % 1}), 1000)
    alarms.key("fire", 2000)
    alarms.call_heard("B2", call(1, k=2), 3000, ticking=True)
    alarms.ring_heard(ring(2, None, incident=None), 4000)
    alarms.call_heard("B2", call(1, k=3), 5000, ticking=True)
    assert sounds(alarms, 5000) == []


def test_key_does_not_silence_a_call_that_is_over_and_will_be_said_again():
    alarms = fresh()
    alarms.call_heard("B2", call(1), 0, ticking=True)
    alarms.key("fire", 200_000)
    alarms.call_heard("B2", call(1, k=2), 300_000, ticking=True)
    assert sounds(alarms, 300_000) == ["fire"]


def test_bell_remembers_what_is_silenced_of_the_largest_group_and_forgets_the_longest_silent():
    alarms = fresh()
    for number in range(15):
        alarms.call_heard(f"H{number}", call(number + 1), number, ticking=True)
    alarms.key("fire", 100)
    for number in range(15):
        alarms.call_heard(f"H{number}", call(number + 1, k=2), 200, ticking=True)
    assert sounds(alarms, 200) == []
    for number in range(15, 18):
        alarms.call_heard(f"H{number}", call(number + 1), 300, ticking=True)
    assert [cause.id for cause in alarms.causes(300)] == [THEIRS % 16, THEIRS % 17, THEIRS % 18]


def test_storm_of_calls_leaves_a_bounded_trace():
    alarms = fresh()
    heard = alarms._heard
    for seq in range(1, 500):
        alarms.call_heard(f"B{seq % 20 + 2}", call(seq), seq, ticking=True)
        alarms.key("fire", seq)
    assert len(heard._newest) == REMEMBERED
    assert sounds(alarms, 500) == []


def test_mute_stops_what_the_board_has_called_already():
    alarms = fresh()
    alarms.call_heard("B2", call(), 0, ticking=True)
    alarms.ring_heard(ring(1, None, mute=("B2",)), 1000)
    assert sounds(alarms, 1000) == []
    alarms.call_heard("B2", call(k=2), 62_000, ticking=True)
    assert sounds(alarms, 62_000) == ["fire"]


def test_newer_press_of_a_point_takes_the_place_of_the_older():
    alarms = fresh()
    alarms.raised(button(), OWN % 1, 0)
    alarms.take_calls(0, True)
    alarms.raised(button(), OWN % 3, 1000)
    assert [(one.id, one.k) for one in alarms.take_calls(1000, True)] == [(OWN % 3, 1)]
    assert alarms.take_calls(2500, True) == []


def test_point_that_never_calls_is_silent():
    alarms = fresh()
    alarms.raised(Point("door", "door", NEVER, None), OWN % 1, 0)
    assert ks(alarms, 0, 400) == []
    assert sounds(alarms, 0) == []


def test_call_sounds_for_180_s():
    alarms = fresh()
    alarms.call_heard("B2", call(), 0, ticking=True)
    assert sounds(alarms, 179_999) == ["fire"]
    assert sounds(alarms, 180_000) == []


def test_echo_of_the_own_call_is_ignored():
    alarms = fresh()
    alarms.call_heard("B1", call(), 0, ticking=True)
    assert sounds(alarms, 0) == []


def test_pitfall_19_same_id_and_k_does_not_prolong_but_a_higher_k_does():
    alarms = fresh()
    alarms.call_heard("B2", call(), 0, ticking=True)
    alarms.call_heard("B2", call(), 100_000, ticking=True)
    assert sounds(alarms, 180_000) == []
    alarms.call_heard("B2", call(k=2), 150_000, ticking=True)
    assert sounds(alarms, 180_000) == ["fire"]
    assert answers(alarms, 180_000) == [(THEIRS % 1, 2)]


def test_fourth_id_of_a_sender_in_10_min_is_ignored_repeats_do_not_count():
    alarms = fresh()
    for seq in (1, 2, 3, 4):
        for k in (1, 2):
            alarms.call_heard("B2", call(seq, k), seq * 1000, ticking=True)
    assert answers(alarms, 5000) == [(THEIRS % 3, 2)]
    alarms.call_heard("B3", Call("0badbabe-1-1", 1, "button", "fire"), 5000, ticking=True)
    assert answers(alarms, 5000) == [(THEIRS % 3, 2), ("0badbabe-1-1", 1)]
    alarms.call_heard("B2", call(5), 11 * MINUTE, ticking=True)
    assert [cause.id for cause in alarms.causes(11 * MINUTE)] == [THEIRS % 5]


def test_ring_gives_its_senders_new_ids():
    alarms = fresh()
    for seq in (1, 2, 3):
        alarms.call_heard("B2", call(seq), 0, ticking=True)
    alarms.ring_heard(ring(1, None, covers={"B2": THEIRS % 3}), 1000)
    assert sounds(alarms, 1000) == []
    alarms.call_heard("B2", call(4), 2000, ticking=True)
    assert sounds(alarms, 2000) == ["fire"]


def test_quiet_ring_stops_the_calls_that_it_covers_and_no_other():
    alarms = fresh()
    alarms.call_heard("B2", call(1), 0, ticking=True)
    alarms.call_heard("B3", Call("0badbabe-1-1", 1, "button", "fire"), 0, ticking=True)
    alarms.ring_heard(ring(1, None, covers={"B2": THEIRS % 1}), 1000)
    assert [cause.id for cause in alarms.causes(1000)] == ["0badbabe-1-1"]
    alarms.ring_heard(ring(2, None), 2000)
    alarms.call_heard("B2", call(1, k=2), 3000, ticking=True)
    assert [cause.id for cause in alarms.causes(3000)] == ["0badbabe-1-1"]


def test_call_that_the_ring_knows_already_is_left_to_the_ring():
    alarms = fresh()
    alarms.ring_heard(ring(1, covers={"B2": THEIRS % 1}), 0)
    alarms.call_heard("B2", call(1), 100, ticking=True)
    assert answers(alarms, 100) == [("2026-000001", 1)]


def test_key_silences_this_n_only():
    alarms = fresh()
    alarms.ring_heard(ring(1), 0)
    alarms.key("fire", 100)
    assert sounds(alarms, 100) == []
    alarms.ring_heard(ring(1), 10_000)
    alarms.ring_heard(ring(2, n=1), 20_000)
    assert sounds(alarms, 20_000) == []
    alarms.ring_heard(ring(3, n=2), 30_000)
    assert sounds(alarms, 30_000) == ["fire"]


def test_key_silences_the_ids_that_ring_and_a_new_id_sounds_again():
    alarms = fresh()
    alarms.call_heard("B2", call(1), 0, ticking=True)
    alarms.raised(button(), OWN % 1, 0)
    alarms.take_calls(0, True)
    alarms.key("fire", 100)
    alarms.call_heard("B2", call(1, k=2), 2000, ticking=True)
    assert sounds(alarms, 2000) == []
    assert ks(alarms, 2, 3) == [(2, 2)]  # the group is still called
    assert sounds(alarms, 2100) == []
    alarms.call_heard("B2", call(2), 3000, ticking=True)
    assert sounds(alarms, 3000) == ["fire"]


def test_pitfall_19_ring_of_a_lower_rev_is_ignored_unless_of_another_life_or_in_a_hello():
    alarms = fresh()
    alarms.ring_heard(ring(5), 0)
    alarms.ring_heard(ring(4, None), 100)
    assert sounds(alarms, 100) == ["fire"]
    alarms.ring_heard(ring(4, None), 200, in_hello=True)
    assert sounds(alarms, 200) == []
    alarms.ring_heard(ring(5), 300)
    alarms.ring_heard(ring(1, None, engine="00000001-1"), 400)
    assert sounds(alarms, 400) == []


def test_later_boot_of_the_same_engine_goes_on_counting():
    alarms = fresh()
    alarms.ring_heard(ring(5), 0)
    alarms.ring_heard(ring(4, None, engine="5be07711-4"), 100)
    assert sounds(alarms, 100) == ["fire"]


def test_bell_rings_on_for_300_s_after_the_last_ring():
    alarms = fresh()
    alarms.ring_heard(ring(1), 0)
    alarms.ring_heard(ring(1), 10_000)
    alarms.expire(309_000, [])
    assert sounds(alarms, 309_000) == ["fire"]
    alarms.expire(310_000, [])
    assert sounds(alarms, 310_000) == []
    alarms.ring_heard(ring(1), 320_000)
    assert sounds(alarms, 320_000) == ["fire"]


def test_hello_without_a_ring_stops_only_what_a_ring_started():
    alarms = fresh()
    alarms.ring_heard(ring(1), 0)
    alarms.call_heard("B2", call(), 0, ticking=True)
    alarms.no_ring()
    assert [cause.id for cause in alarms.causes(100)] == [THEIRS % 1]


def test_mute_holds_for_for_s_and_only_while_an_engine_ticks():
    alarms = fresh()
    alarms.ring_heard(ring(1, None, mute=("B2",)), 0)
    alarms.call_heard("B2", call(1), 1000, ticking=True)
    assert sounds(alarms, 1000) == []
    alarms.call_heard("B2", call(1), 2000, ticking=False)
    assert sounds(alarms, 2000) == ["fire"]
    alarms.key("fire", 3000)
    alarms.call_heard("B2", call(2), 61_000, ticking=True)
    assert sounds(alarms, 61_000) == ["fire"]


def test_lone_smoke_sounds_pre_and_calls_15_s_after_verify():
    alarms = fresh()
    alarms.raised(smoke(), OWN % 1, 0)
    assert ks(alarms, 0, 75) == []
    assert sounds(alarms, 74_999) == ["pre"]
    assert ks(alarms, 75, 76) == [(75, 1)]
    assert sounds(alarms, 75_000) == ["fire"]


def test_smoke_that_clears_or_is_covered_or_cancelled_does_not_call():
    for what in ("clear", "ring", "key"):
        alarms = fresh()
        point = smoke()
        alarms.raised(point, OWN % 1, 0)
        if what == "clear":
            alarms.cleared(point)
        elif what == "ring":
            alarms.ring_heard(ring(1, None, covers={"B1": OWN % 1}), 1000)
        else:
            alarms.key("pre", 1000)
        assert sounds(alarms, 2000) == []
        assert ks(alarms, 2, 500) == []


def test_cancel_lapses_after_10_min():
    alarms = fresh()
    alarms.raised(smoke(), OWN % 1, 0)
    alarms.key("pre", 1000)
    assert ks(alarms, 1, 601) == []
    alarms.take_calls(601_000, True)
    assert sounds(alarms, 601_000) == ["pre"]
    assert ks(alarms, 602, 700) == [(676, 1), (678, 2), (681, 3), (691, 4)]


def test_key_against_a_fire_does_not_cancel_the_own_pre_alarm():
    alarms = fresh()
    alarms.raised(smoke(), OWN % 1, 0)
    alarms.call_heard("B2", call(), 0, ticking=True)
    alarms.key("fire", 1000)
    assert sounds(alarms, 1000) == ["pre"]


def test_point_active_before_and_after_a_restart_is_heard_in_the_house_and_calls_nobody():
    alarms = fresh()
    point = smoke()
    point.restore("active", OWN % 1)
    alarms.resumed(point, 200)
    assert sounds(alarms, 1000) == ["pre"]
    assert ks(alarms, 0, 400) == []
    assert sounds(alarms, 400_000) == []
