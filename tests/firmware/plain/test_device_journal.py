import os

from agent import candidate, events, identity
from agent.bell import Bell
from agent.events import ALARM, CLEAR, FAULT, Event
from agent.files import Files
from agent.identity import Identity
from agent.journal import FULL, FULL_OF_ALARMS, Journal
from agent.orders import Orders, trial
from agent.outbox import CAPACITY, Outbox

from protocol.wire import Order

LIFE = "9c41f2aa"
_folders = [0]


def folder():
    _folders[0] += 1
    base = f"{os.getenv('SCRATCH')}/{_folders[0]}"
    files = Files(base)
    files.create()
    return files


def event(seq, point="button-1", kind="button", state="active", boot=17, life=LIFE, at=0):
    return Event(f"{life}-{boot}-{seq}", point, kind, state, at=at)


def bits(count):
    return bytes(range(count))


def journal_of(files, life=LIFE, boot=17):
    return Journal(files, Identity(life, boot))


def load(files, life=LIFE, boot=18):
    journal = journal_of(files, life, boot)
    states = journal.load()
    waiting = [one.id for one in journal.fetch([], 99)]
    return journal, waiting, {point: (one.state, one.id) for point, one in states.items()}


def test_life_is_made_with_the_journal_and_boots_are_counted():
    files = folder()
    first = identity.begin(files, bits, "household")
    assert (first.life, first.boot, first.fault) == ("00010203", 1, None)
    second = identity.begin(files, lambda count: b"\xff" * count, "household")
    assert (second.life, second.boot, second.fault) == ("00010203", 2, None)
    assert second.start == "00010203-2"
    assert [second.next_id(), second.next_id()] == ["00010203-2-1", "00010203-2-2"]
    assert second.is_own("00010203-2-9")
    assert not second.is_own("00010203-25-9")


def test_boot_that_cannot_be_read_begins_a_new_life_and_says_so():
    for rubbish in (b"", b"zz 1", b"9c41f2aa", b"9c41f2aa x", b"9c41f2aa 0", b"9c41f2aa 1 household x", b"\xff\xfe 3"):
        files = folder()
        files.write(identity.NAME, rubbish)
        who = identity.begin(files, bits, "household")
        assert (who.life, who.boot) == ("00010203", 1)
        assert "not readable" in who.fault


def test_start_keeps_the_kind_for_the_next_one_and_a_boot_needs_none():
    files = folder()
    assert candidate.last_kind(files) is None
    identity.begin(files, bits, "fire_point")
    assert candidate.last_kind(files) == "fire_point"
    identity.begin(files, bits, "sos_post")
    assert candidate.last_kind(files) == "sos_post"
    files.write(identity.NAME, b"9c41f2aa 7")
    assert candidate.last_kind(files) is None
    who = identity.begin(files, bits, "sos_post")
    assert (who.start, who.fault) == ("9c41f2aa-8", None)


def test_boot_missing_beside_events_begins_a_new_life():
    files = folder()
    journal_of(files).put(event(1))
    who = identity.begin(files, bits, "household")
    assert who.life == "00010203"
    assert who.fault


def test_boot_that_cannot_be_written_begins_a_new_life_each_time():
    class Full(Files):
        def write(self, name, data):
            raise OSError(28)

    who = identity.begin(Full(os.getenv("SCRATCH")), bits, "household")
    assert (who.life, who.boot) == ("00010203", 1)
    assert "not writable" in who.fault


def test_event_waits_over_a_restart_until_it_is_settled():
    files = folder()
    journal = journal_of(files)
    press = event(1)
    press.t = 1_763_791_234_567
    journal.put(press)
    journal, waiting, states = load(files)
    assert waiting == [press.id]
    assert states == {"button-1": ("active", press.id)}
    again = journal.fetch([], 1)[0]
    assert (again.point, again.type, again.state, again.at, again.t) == ("button-1", "button", "active", None, 1_763_791_234_567)
    journal.settle(again)
    _, waiting, states = load(files)
    assert waiting == []
    assert states == {"button-1": ("active", press.id)}


def test_last_state_of_a_point_is_one_file():
    files = folder()
    journal = journal_of(files)
    for seq in range(1, 21):
        one = event(seq, state="active" if seq % 2 else "clear")
        journal.put(one)
        journal.settle(one)
    assert files.names() == [f"k.{LIFE}-17-20"]


def test_receipts_in_any_order_leave_the_newest_state():
    files = folder()
    journal = journal_of(files)
    both = [event(1), event(2, state="clear")]
    for one in both:
        journal.put(one)
    journal.settle(both[1])
    journal.settle(both[0])
    _, waiting, states = load(files)
    assert waiting == []
    assert states == {"button-1": ("clear", both[1].id)}


def test_events_of_an_older_life_are_still_waiting_and_come_first():
    files = folder()
    journal_of(files, "ffffffff", 900).put(event(9, boot=900, life="ffffffff"))
    journal_of(files).put(event(1, boot=1, state="clear"))
    _, waiting, states = load(files)
    assert waiting == ["ffffffff-900-9", LIFE + "-1-1"]
    assert states["button-1"][0] == "clear"


def test_damaged_file_is_removed_and_counted_and_the_rest_read():
    files = folder()
    journal_of(files).put(event(1))
    for name, data in (
        ("0." + LIFE + "-17-2", b'["but'),
        ("1." + LIFE + "-17-3", b"\xff"),
        ("k.rubbish", b"[]"),
        ("2." + LIFE + "-17-4", b"[1]"),
    ):
        files.write(name, data)
    journal, waiting, _ = load(files)
    assert waiting == [LIFE + "-17-1"]
    assert journal.damaged == 4
    assert len(files.names()) == 1


def test_file_that_cannot_be_read_costs_itself_only():
    class Worn(Files):
        def read(self, name):
            if name.endswith("-1"):
                raise OSError(5)
            return Files.read(self, name)

    files = folder()
    for seq in (1, 2, 3):
        journal_of(files).put(event(seq))
    worn = Worn(f"{os.getenv('SCRATCH')}/{_folders[0]}")
    journal, waiting, states = load(worn)
    assert waiting == [LIFE + "-17-2", LIFE + "-17-3"]
    assert states == {"button-1": ("active", LIFE + "-17-3")}
    assert journal.damaged > 0
    assert len(files.names()) == 3


def test_stale_last_state_is_cleared_away_whatever_is_read_first():
    for first, second in ((1, 2), (2, 1)):
        files = folder()
        for seq in (first, second):
            one = event(seq)
            files.write(f"k.{one.id}", events.to_bytes(one))
        _, _, states = load(files)
        assert states == {"button-1": ("active", LIFE + "-17-2")}
        assert files.names() == [f"k.{LIFE}-17-2"]


def test_fetch_gives_the_gravest_and_oldest_that_are_not_held():
    files = folder()
    journal = journal_of(files)
    ranks = ((1, "clear", "button"), (2, "active", "door"), (3, "active", "button"), (10, "active", "button"), (9, "active", "button"))
    for seq, state, kind in ranks:
        journal.put(event(seq, f"{kind}-{seq}", kind, state, at=seq * 1000))
    assert journal.waiting == 5
    seqs = [int(one.id.split("-")[2]) for one in journal.fetch([LIFE + "-17-3"], 3)]
    assert seqs == [9, 10, 2]
    assert [one.at for one in journal.fetch([], 1)] == [3000]
    assert load(files)[0].fetch([], 1)[0].at is None  # its clock is another


def test_pitfall_15_journal_keeps_places_for_alarms():
    files = folder()
    journal = journal_of(files)
    journal.waiting = FULL
    assert journal.has_room(FAULT)
    journal.waiting += 1
    assert not journal.has_room(CLEAR)
    assert journal.has_room(ALARM)
    journal.waiting = FULL_OF_ALARMS + 1
    assert not journal.has_room(ALARM)


def test_half_written_file_is_cleared_away():
    files = folder()
    files.write("tmp2", b"x")
    files.rename("tmp2", "tmp")
    files.create()
    assert files.names() == []


def test_alarm_is_graver_than_fault_than_clear():
    assert events.rank("button", "active") == ALARM
    assert events.rank("presence", "active") == FAULT
    assert events.rank("smoke", "open") == FAULT
    assert events.rank("button", "clear") == CLEAR
    assert events.rank("bell", "clear") == CLEAR


def test_pitfall_15_full_outbox_gives_up_clears_then_faults_and_never_an_alarm_for_them():
    outbox = Outbox()
    for seq in range(CAPACITY - 2):
        assert outbox.add(event(seq + 1), 0) is None
    fault, clear = event(100, "door", "door"), event(101, state="clear")
    outbox.add(fault, 0)
    outbox.add(clear, 0)
    assert outbox.add(event(102), 0) is clear
    assert outbox.add(event(103), 0) is fault
    late = event(104, "door", "door")
    assert outbox.add(late, 0) is late
    assert len(outbox) == CAPACITY


def test_outbox_full_of_alarms_keeps_each_points_first_and_newest():
    outbox = Outbox()
    outbox.add(event(1, "smoke-1", "smoke"), 0)
    presses = [event(seq + 2) for seq in range(CAPACITY + 20)]
    for press in presses:
        outbox.add(press, 0)
    assert outbox.receipt(LIFE + "-17-1")
    assert outbox.receipt(presses[0].id)
    assert outbox.receipt(presses[-1].id)
    assert outbox.receipt(presses[1].id) is None


def test_full_outbox_lets_go_first_of_what_the_journal_holds():
    outbox = Outbox()
    unstored, stored = event(1, "bell", "bell"), event(2, "door", "door")
    stored.stored = True
    outbox.add(unstored, 0)
    outbox.add(stored, 0)
    for seq in range(CAPACITY - 2):
        outbox.add(event(seq + 10), 0)
    assert outbox.stored() == [stored.id]
    assert outbox.add(event(90), 0) is stored
    assert outbox.add(event(91), 0) is unstored


def test_event_is_repeated_after_1_2_4_8_s_then_every_15_s():
    outbox = Outbox()
    outbox.add(event(1), 0)
    times = [second for second in range(70) if outbox.take(second * 1000)]
    assert times == [0, 1, 3, 7, 15, 30, 45, 60]
    outbox.wake(69_500)
    assert [second for second in range(70, 74) if outbox.take(second * 1000)] == [70, 71, 73]


def test_at_most_8_are_in_flight_and_2_places_are_for_alarms():
    outbox = Outbox()
    for seq in range(CAPACITY - 1):
        outbox.add(event(seq + 1, "door", "door"), 0)
    assert len(outbox.take(0)) == 6
    assert outbox.take(10) == []
    press = event(50)
    outbox.add(press, 20)
    assert outbox.take(20) == [press]
    outbox.receipt(LIFE + "-17-1")
    assert len(outbox.take(30)) == 1


def test_events_that_are_never_receipted_do_not_block_the_others():
    outbox = Outbox()
    for seq in range(CAPACITY):
        outbox.add(event(seq + 1), 0)
    seen = set()
    for second in range(4):
        seen.update([one.id for one in outbox.take(second * 1000)])
    assert len(seen) == CAPACITY


def test_event_that_the_link_did_not_take_is_due_at_once_and_as_if_never_sent():
    outbox = Outbox()
    outbox.add(event(1), 0)
    outbox.add(event(2), 0)
    _, refused = outbox.take(0)
    outbox.put_back(refused, 0)
    for now in (100, 200, 300):
        assert outbox.take(now) == [refused]
        outbox.put_back(refused, now)
    assert outbox.take(400) == [refused]
    assert refused not in outbox.take(1_399)
    assert refused in outbox.take(1_400)


def test_alarm_goes_before_faults_and_a_new_one_before_repeats():
    outbox = Outbox()
    outbox.add(event(1, "door", "door"), 0)
    outbox.add(event(2), 0)
    assert [one.id for one in outbox.take(0)] == [LIFE + "-17-2", LIFE + "-17-1"]
    outbox.add(event(3), 5000)
    assert [one.id for one in outbox.take(5000)] == [LIFE + "-17-3", LIFE + "-17-2", LIFE + "-17-1"]


def test_order_is_carried_out_once_and_its_answer_given_again():
    orders = Orders(None)
    order = Order("o-1", "report", None, 0, 30, None)
    assert orders.is_new(order)
    orders.answer("o-1", "no")
    assert [(one.id, one.ok, one.error) for one in orders.due()] == [("o-1", False, "no")]
    orders.sent("o-1")
    assert orders.due() == []
    assert not orders.is_new(order)
    assert len(orders.due()) == 1
    orders.sent("o-1")
    orders.wake()
    assert len(orders.due()) == 1
    orders.delivered("o-1")
    orders.wake()
    assert orders.due() == []


def test_orders_that_are_done_take_no_more_room_the_longer_a_connection_lasts():
    orders = Orders(None)
    rooms = []
    for number in range(100):
        orders.answer(f"o-{number}")
        orders.sent(f"o-{number}")
        orders.delivered(f"o-{number}")
        rooms.append(sum([len(value) for value in orders.__dict__.values() if type(value) is list]))
    assert rooms[-1] == rooms[len(rooms) // 2]


def test_ids_of_restarts_are_remembered_over_a_restart():
    files = folder()
    orders = Orders(files)
    for number in range(20):
        orders.keep(f"o-{number}")
    after = Orders(files)
    assert not after.is_new(Order("o-19", "restart", None, 0, 30, None))
    assert [(one.id, one.ok) for one in after.due()] == [("o-19", True)]
    assert after.is_new(Order("o-20", "restart", None, 0, 30, None))


def test_a_test_lasts_at_most_10_s():
    assert trial(Order("o-1", "test", "bell", 500, 30, None), Bell, 1000).until == 11_000
    assert trial(Order("o-1", "test", "bell", 0, 30, None), Bell, 1000).until == 3_000
