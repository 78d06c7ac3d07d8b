"""Each channel proves once a day that it works (D41, D42, D44)."""

from datetime import datetime, time, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from commune import START_MS, World, with_people
from hypothesis import settings as limits
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.delivery import bodies
from gateway.domain import canaries, facts, wording
from gateway.domain.audiences import VIETNAM, local
from gateway.domain.canaries import DAY_MS, WINDOW_MS, Plan, Probe, slot
from gateway.domain.rows import DeliveryRow
from gateway.domain.situation import Now, Situation
from gateway.plans import canary_plan
from gateway.settings import Settings
from protocol.incident import Delivery

AT = time(8, 30)
PHONE = "+840000000001"
PROBES = {
    "sms": Probe(address=PHONE, person="ky-thuat-1"),
    "voice": Probe(sends=False),
    "webhook:city": Probe(),
    "apprise:zalo": Probe(),
    "sia:police": Probe(),
    "sia:spare": Probe(sends=False),
}
HOUR_S, DAY_S = 3600, 86_400


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=VIETNAM).timestamp() * 1000)


class Kept(World):
    """A commune with channels that prove themselves; the rows of the table delivery as they are."""

    def __init__(self, probes: dict[str, Probe] | None = None, start: str = "2026-11-22T12:00") -> None:
        super().__init__(commune=with_people({"id": "truc-ban-1", "name": "Trực ban", "role": "duty"}))
        self.plan = Plan(AT, probes=PROBES if probes is None else probes)
        self.now = Now(ms(start), 1000.0)
        self.rows: dict[int, DeliveryRow] = {}
        self.sent: list[tuple[str, str]] = []
        self.started()

    def started(self) -> None:
        with self.turn() as turn:
            canaries.begin(turn, self.plan)

    def later(self, seconds: float) -> None:
        super().later(seconds)
        self.work()

    def work(self) -> None:
        acts = canaries.due(self.situation, self.plan, self.now)
        with self.turn() as turn:
            for act in acts:
                act(turn)
        for row in self.effects.deliveries:
            self.rows[row.delivery.id] = row
            self.sent.append((row.delivery.channel, f"{local(self.now.ms):%d %H:%M}"))

    def until(self, text: str) -> None:
        """Time goes on, looked at every ten minutes."""
        while self.now.ms < ms(text):
            self.later(min(600, (ms(text) - self.now.ms) / 1000))

    def says(self, channel: str, state: str, *, what: str = "canary", ident: int | None = None, error: str = "", by: str = "") -> None:
        """A channel tells of a message, of its last canary by default."""
        if ident is None:
            own = [number for number, row in self.rows.items() if row.delivery.channel == channel]
            ident = own[-1] if what == "canary" and own else 9999
        fields: dict[str, Any] = {"id": ident, "channel": channel, "what": what, "state": state, "tries": 1, "at_ms": self.now.ms}
        row = DeliveryRow("", Delivery(**fields, error=error), reference=by)
        with self.turn() as turn:
            facts.delivery(turn, row)
            canaries.told(turn, row, self.plan)

    def watched(self, channel: str) -> None:
        with self.turn() as turn:
            canaries.supervised(turn, channel, self.plan)

    def restart(self) -> None:
        """Only what is on the disk goes on."""
        before = self.situation
        self.situation = Situation(self.commune, before.limits, before.channels, before.ways)
        self.situation.canaries = dict(before.canaries)
        self.situation.faults, self.situation.lasting = before.faults, before.lasting
        self.situation.next_delivery = before.next_delivery
        self.started()

    def faults(self) -> set[str]:
        return {key.removeprefix("canary:") for key in self.situation.faults if key.startswith("canary:")}


SENDING = ["sms", "webhook:city", "apprise:zalo", "sia:police"]


def test_each_channel_gets_its_canary_at_its_time_and_not_before():
    world = Kept()
    world.until("2026-11-23T08:20")
    assert world.sent == []
    world.until("2026-11-23T08:30")
    assert sorted(channel for channel, _ in world.sent) == sorted(SENDING)
    assert {at for _, at in world.sent} == {"23 08:30"}
    world.until("2026-11-23T09:00")
    assert len(world.sent) == 4


def test_nobody_begins_with_a_canary_within_the_first_hour():
    world = Kept(start="2026-11-22T08:00")
    world.until("2026-11-23T08:20")
    assert world.sent == []


@pytest.mark.parametrize(
    ("channel", "state"),
    [("sms", "delivered"), ("webhook:city", "delivered"), ("apprise:zalo", "handed"), ("sia:police", "delivered")],
)
def test_what_arrives_proves_its_channel(channel, state):
    world = Kept({channel: PROBES[channel]})
    world.until("2026-11-23T08:30")
    world.says(channel, state)
    canary = world.situation.canaries[channel]
    assert (canary.proved_ms, canary.real_ms, canary.asked_ms, canary.failed) == (world.now.ms, None, None, "")
    world.until("2026-11-23T23:00")
    assert (world.faults(), len(world.sent)) == (set(), 1)


def test_d44_what_was_only_handed_to_the_network_proves_nothing():
    world = Kept({"sms": PROBES["sms"]})
    world.until("2026-11-23T08:30")
    world.says("sms", "handed")
    world.until("2026-11-23T10:20")
    assert world.faults() == set()
    world.until("2026-11-23T10:30")
    assert world.faults() == {"sms"}
    assert world.situation.faults["canary:sms"] == "nothing has arrived within 120 min; last proof: never"
    assert world.situation.lasting["canary:sms"].name == "sms"


def test_d41_a_report_that_comes_late_ends_the_fault():
    world = Kept({"sms": PROBES["sms"]})
    world.until("2026-11-23T08:30")
    world.says("sms", "handed")
    world.until("2026-11-23T10:30")
    world.says("sms", "delivered")
    assert world.faults() == set()


def test_d42_a_canary_that_cannot_be_sent_is_a_fault_at_once():
    world = Kept({"sms": PROBES["sms"]})
    world.until("2026-11-23T08:30")
    world.says("sms", "failed", error="nobody has this number")
    assert world.situation.faults["canary:sms"].startswith("nobody has this number; ")


def test_d41_one_dead_channel_is_named_and_no_other():
    world = Kept()
    world.until("2026-11-23T08:30")
    for channel in ("sms", "webhook:city", "sia:police"):
        world.says(channel, "delivered")
    world.watched("voice")
    world.watched("sia:spare")
    world.until("2026-11-23T11:00")
    assert world.faults() == {"apprise:zalo"} | {"voice", "sia:spare"} & world.faults()
    assert "apprise:zalo" in world.faults()


def test_a_repair_is_seen_on_the_same_day():
    world = Kept({"sms": PROBES["sms"]})
    world.until("2026-11-23T08:30")
    world.says("sms", "failed", error="no network")
    world.until("2026-11-23T10:30")
    assert [at for _, at in world.sent] == ["23 08:30", "23 10:30"]
    assert world.faults() == {"sms"}
    world.says("sms", "delivered")
    world.until("2026-11-24T08:20")
    assert (world.faults(), len(world.sent)) == (set(), 2)


def test_a_dead_channel_is_tried_a_few_times_a_day_and_never_at_night():
    world = Kept({"sms": PROBES["sms"]})
    world.until("2026-11-23T08:30")
    for _ in range(150):
        world.later(600)
        world.says("sms", "failed", error="no network")
    assert [at for _, at in world.sent] == ["23 08:30", "23 10:30", "23 12:30", "23 14:30", "23 16:30", "24 08:30"]


def test_what_waits_for_a_modem_is_withdrawn_and_not_sent_at_night():
    world = Kept({"sms": PROBES["sms"]})
    world.until("2026-11-23T08:30")
    (ident,) = world.rows
    world.until("2026-11-23T10:20")
    world.later(600)
    assert world.effects.withdrawn == [ident]
    assert [(row.delivery.id, row.delivery.state) for row in world.effects.tried] == [(ident, "failed")]


def test_what_waits_for_a_program_goes_on_waiting_and_proves_it_when_it_is_back():
    world = Kept({"webhook:city": Probe()})
    world.until("2026-11-25T09:00")
    assert (len(world.sent), world.faults()) == (1, {"webhook:city"})
    world.says("webhook:city", "delivered")
    assert world.faults() == set()
    world.until("2026-11-26T08:30")
    assert len(world.sent) == 2


def test_a_real_message_within_the_day_is_proof_enough():
    world = Kept({"sms": PROBES["sms"]})
    world.until("2026-11-22T20:00")
    world.says("sms", "delivered", what="opened")
    world.until("2026-11-23T20:00")
    assert (world.sent, world.faults()) == ([], set())
    world.until("2026-11-24T08:30")
    assert len(world.sent) == 1


def test_a_canary_that_something_real_has_overtaken_is_withdrawn_and_the_next_day_has_its_own():
    world = Kept({"sms": PROBES["sms"]})
    world.until("2026-11-23T08:30")
    (ident,) = world.rows
    world.says("sms", "delivered", what="opened")
    assert world.effects.withdrawn == [ident]
    world.until("2026-11-25T08:30")
    assert [at for _, at in world.sent] == ["23 08:30", "25 08:30"]


def test_yesterdays_canary_is_no_reason_to_leave_out_todays():
    world = Kept({"webhook:city": Probe()})
    for day in range(23, 28):
        world.until(f"2026-11-{day}T08:30")
        world.later(5)
        world.says("webhook:city", "delivered")
    assert [at for _, at in world.sent] == [f"{day} 08:30" for day in range(23, 28)]


def test_a_channel_that_is_watched_proves_itself_without_a_canary():
    world = Kept({"voice": Probe(sends=False)})
    world.until("2026-11-23T08:00")
    world.watched("voice")
    world.until("2026-11-23T09:00")
    assert (world.sent, world.faults()) == ([], set())
    world.until("2026-11-24T09:00")
    assert world.faults() == {"voice"}
    world.watched("voice")
    assert world.faults() == set()


def test_a_receiver_that_left_its_canary_to_the_fallback_is_not_proved_by_it():
    world = Kept({"sia:police": Probe(), "sia:spare": Probe(sends=False)})
    world.until("2026-11-23T08:30")
    world.says("sia:police", "delivered", by="spare")
    assert world.situation.canaries["sia:spare"].proved_ms == world.now.ms
    world.until("2026-11-23T10:30")
    assert world.faults() == {"sia:police"}


def test_what_a_fallback_without_a_watch_of_its_own_has_taken_disturbs_nothing():
    world = Kept()
    world.says("sia:police", "delivered", what="opened", by="second")
    assert "sia:second" not in world.situation.canaries
    assert world.situation.canaries["sia:police"].proved_ms is None


def test_a_canary_to_the_own_number_counts_only_when_it_comes_back():
    world = Kept({"sms": Probe(address=PHONE, returns=True)})
    world.until("2026-11-23T08:30")
    world.says("sms", "delivered")
    assert world.situation.canaries["sms"].proved_ms is None
    world.watched("sms")
    assert world.situation.canaries["sms"].proved_ms == world.now.ms


def test_without_anybody_to_send_to_that_is_the_fault():
    world = Kept({"sms": Probe()})
    world.until("2026-11-23T08:30")
    assert (world.sent, world.situation.faults["canary:sms"][:5]) == ([], "there")


def test_during_an_alarm_no_canary_is_sent_and_afterwards_it_is():
    world = Kept({"webhook:city": Probe()}, start="2026-11-23T06:00")
    world.until("2026-11-23T08:20")
    world.press("H03-07")
    world.until("2026-11-23T09:00")
    assert world.sent == []
    assert world.command("resolve") == ""
    world.later(1)
    assert [at for _, at in world.sent] == ["23 09:00"]


def test_a_clock_that_is_set_to_the_time_of_canaries_during_an_alarm_sends_none():
    kept = Kept({"sms": PROBES["sms"]}, start="2026-11-22T23:00")
    kept.press("H03-07")
    kept.now = Now(ms("2027-11-22T08:40"), kept.now.s + 1)
    acts = canaries.due(kept.situation, kept.plan, kept.now)  # before it is known that the clock was set
    with kept.turn() as turn:
        facts.clock_set(turn, kept.now.ms - ms("2026-11-22T23:00"))
        for act in acts:
            act(turn)
    assert kept.effects.deliveries == []


def test_an_incident_that_nobody_resolves_holds_no_canary_up_for_ever():
    world = Kept({"webhook:city": Probe()}, start="2026-11-22T12:00")
    world.until("2026-11-23T08:20")
    world.press("H03-07")
    world.until("2026-11-23T12:00")
    assert [at for _, at in world.sent] == ["23 09:20"]


def test_a_day_that_went_by_without_the_engine_is_made_up_for_by_day_only():
    for start, sent in (("2026-11-23T14:00", 1), ("2026-11-23T23:00", 0)):
        world = Kept({"webhook:city": Probe()})
        world.now = Now(ms(start), world.now.s)
        world.restart()
        world.work()
        assert len(world.sent) == sent


def test_a_restart_neither_repeats_nor_forgets():
    world = Kept({"sms": PROBES["sms"]})
    world.until("2026-11-23T08:30")
    world.restart()
    world.until("2026-11-23T09:00")
    assert len(world.sent) == 1
    world.restart()
    world.until("2026-11-23T10:30")
    assert world.faults() == {"sms"}


def test_a_channel_that_is_no_longer_set_up_is_no_fault_any_more():
    world = Kept({"sms": Probe()})
    world.until("2026-11-23T08:30")
    assert world.faults() == {"sms"}
    world.plan = Plan(AT)
    world.started()
    assert (world.faults(), world.situation.canaries) == (set(), {})


@pytest.mark.parametrize("hours", [2, -2])
def test_a_clock_that_goes_over_the_time_twice_sends_once(hours):
    world = Kept({"webhook:city": Probe()})
    world.until("2026-11-23T08:30")
    world.says("webhook:city", "delivered")
    for _ in range(4):
        world.set_clock(-abs(hours) * HOUR_S)
        world.later(600)
        world.set_clock(abs(hours) * HOUR_S)
        world.later(600)
    assert len(world.sent) == 1


@pytest.mark.parametrize("seconds", [-365 * DAY_S, 365 * DAY_S, -30 * DAY_S - 5 * HOUR_S])
def test_a_clock_that_is_a_year_off_skips_no_more_than_a_day(seconds):
    world = Kept({"webhook:city": Probe()})
    world.until("2026-11-23T08:30")
    world.says("webhook:city", "delivered")
    world.set_clock(seconds)
    before = len(world.sent)
    for _ in range(2 * 144):
        world.later(600)
    assert before < len(world.sent) <= before + 2 + (seconds > 0)


def test_the_time_of_the_day_is_vietnams():
    assert slot(AT, ms("2026-11-23T08:29")) == ms("2026-11-22T08:30")
    assert slot(AT, ms("2026-11-23T08:30")) == ms("2026-11-23T08:30")


class AnyCourse(RuleBasedStateMachine):
    """Whatever happens: by day only, once a day and not more, and a dead channel is a fault by the day after."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Kept({"sms": PROBES["sms"], "webhook:city": Probe()})
        self.steps = 0
        self.begun_s = self.world.now.s
        self.proved_s = {"sms": self.world.now.s, "webhook:city": self.world.now.s}
        self.stepped_s = self.world.now.s

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        for _ in range(hours * 6):
            self.world.later(600)

    @rule(channel=st.sampled_from(["sms", "webhook:city"]), state=st.sampled_from(["delivered", "failed"]), real=st.booleans())
    def a_channel_says(self, channel: str, state: str, real: bool) -> None:
        has_canary = any(row.delivery.channel == channel for row in self.world.rows.values())
        self.world.says(channel, state, what="opened" if real or not has_canary else "canary")
        if state == "delivered":
            self.proved_s[channel] = self.world.now.s

    @rule(seconds=st.sampled_from([-365 * DAY_S, -2 * HOUR_S, 2 * HOUR_S, 365 * DAY_S]))
    def clock_is_set(self, seconds: int) -> None:
        self.world.set_clock(seconds)
        self.steps += 1
        self.stepped_s = self.world.now.s

    @rule()
    def restart(self) -> None:
        self.world.restart()

    @invariant()
    def by_day_only_and_not_too_often(self) -> None:
        days = (self.world.now.s - self.begun_s) / DAY_S + 1
        for channel in ("sms", "webhook:city"):
            sent = [at for known, at in self.world.sent if known == channel]
            assert all("08:30" <= at[3:] <= "16:40" for at in sent)
            assert len(sent) <= 5 * (days + self.steps + 1)

    @invariant()
    def what_has_proved_nothing_for_three_days_is_a_fault(self) -> None:
        for channel, proved_s in self.proved_s.items():
            if self.world.now.s - max(proved_s, self.stepped_s) > 3 * DAY_S:
                assert channel in self.world.faults()


TestAnyCourse = AnyCourse.TestCase
TestAnyCourse.settings = limits(max_examples=40, stateful_step_count=25, deadline=None)


def test_what_a_canary_says_is_no_alarm_and_is_known_again():
    at_ms = ms("2026-11-23T08:30")

    def body(channel: str) -> str:
        delivery = Delivery(id=1, channel=channel, what="canary", state="waiting", tries=0, at_ms=at_ms, decided_ms=at_ms)
        return bodies.of_canary(DeliveryRow("", delivery, PHONE), "xa-mau")

    assert '"code": "RP"' in body("sia:police")
    assert body("webhook:city") == f'{{"v": 1, "event": "canary", "site": "xa-mau", "at_ms": {at_ms}}}'
    text = "Kẻng: thử kênh hằng ngày, không phải báo động. 08:30"
    assert text in body("sms")
    assert text in body("apprise:zalo")
    assert len(text) <= wording.SMS_MAX
    assert wording.is_canary(text)
    assert wording.is_canary("Keng: thu kenh hang ngay, khong phai bao dong. 08:30 (gui lai)")
    assert not wording.is_canary("CHÁY! Hộ mẫu 03-07")
    assert not wording.is_canary("")


def proving(world: Kept, channel: str) -> str:
    with world.turn() as turn:
        error = canaries.prove(turn, world.plan, channel)
    for row in world.effects.deliveries:
        world.rows[row.delivery.id] = row
        world.sent.append((row.delivery.channel, "now"))
    return error


def test_a_channel_proves_itself_when_somebody_asks_and_all_the_same_at_its_time():
    world = Kept(start="2026-11-22T14:00")
    assert [proving(world, "webhook:city") for _ in range(2)] == ["", ""]
    assert world.sent == [("webhook:city", "now")], "one that is under way is not sent twice"
    world.says("webhook:city", "delivered")
    assert world.situation.canaries["webhook:city"].proved_ms == world.now.ms
    world.until("2026-11-23T08:40")
    assert sorted(channel for channel, at in world.sent if at != "now") == sorted(SENDING)


def test_a_repair_that_is_proved_ends_the_fault_and_one_that_is_none_says_why():
    world = Kept(start="2026-11-22T14:00")
    proving(world, "apprise:zalo")
    world.says("apprise:zalo", "failed", error="the service did not take it")
    assert world.faults() == {"apprise:zalo"}
    assert proving(world, "apprise:zalo") == ""
    assert world.situation.canaries["apprise:zalo"].failed == ""
    world.says("apprise:zalo", "handed")
    assert world.faults() == set()


def test_nobody_asks_a_channel_that_is_watched_or_unknown_nor_during_an_alarm():
    world = Kept(PROBES | {"sms": Probe()})
    assert proving(world, "voice").startswith("voice is watched")
    assert proving(world, "apprise:zalos").startswith("expected one of apprise:zalo, ")
    assert proving(Kept({}), "sms") == "expected a channel that is set up, and none is, got sms"
    assert proving(world, "sms").startswith("there is nobody to send a canary to")
    world.press("H03-07")
    assert proving(world, "apprise:zalo").startswith("an alarm of the last hour is open")
    assert world.sent == []


def test_what_is_set_up_is_what_proves_itself(tmp_path):
    site = with_people(
        {"id": "truc-ban-1", "name": "Trực ban", "role": "duty", "phone": "0912345678"},
        {"id": "ky-thuat-1", "name": "Kỹ thuật", "role": "technician", "phone": "0912345679"},
    )
    made = Settings.model_validate(
        {
            "webhooks": [{"name": "city", "url": "http://127.0.0.1/x"}, {"name": "lab", "url": "http://127.0.0.1/y"}],
            "receivers": [
                {"name": "police", "host": "a", "port": 1, "account": "1001", "fallback": "spare"},
                {"name": "spare", "host": "b", "port": 1, "account": "1001"},
            ],
            "apprise": [{"name": "zalo", "url_file": "zalo"}],
            "sms": {"port": "/dev/ttyUSB2"},
            "canary": {"at": "09:15", "skip": ["webhook:lab"]},
        }
    )
    plan = canary_plan(made, site)
    assert (plan.at, set(plan.probes)) == (time(9, 15), {"webhook:city", "apprise:zalo", "sia:police", "sia:spare", "sms", "voice"})
    assert plan.probes["sms"] == Probe(address="+84912345679", person="ky-thuat-1")
    assert not plan.probes["sia:spare"].sends
    assert not plan.probes["voice"].sends
    assert canary_plan(Settings(), site).probes == {}
    # Twice the window and the patience lie within a day, so that a night is a night.
    assert WINDOW_MS + plan.patience_ms < DAY_MS
    assert timedelta(milliseconds=WINDOW_MS) < timedelta(hours=9)
    assert START_MS > 0
