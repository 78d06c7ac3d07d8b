"""What a group's page says, decided without I/O: which alarms a person may see, who has answered, which bells work."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from gateway.console import view
from gateway.console.people.rights import SITE_WIDE, Who
from gateway.console.view import Device, Proof
from gateway.domain.policy import may
from gateway.store.queries import BellTested, DeviceRow
from protocol.desk import Do
from protocol.incident import Incident, RollCall, Says
from protocol.site import Site

# Who needs somebody comes first, then who may need somebody.
WORST_FIRST: tuple[Says | Literal["no_answer"], ...] = ("need_help", "no_answer", "coming", "safe")
DECIDES: tuple[Do, ...] = ("acknowledge", "on_the_way", "on_scene", "called_114", "silence", "alarm_again")
_DONE: dict[str, tuple[str, ...]] = {
    "open": ("acknowledge", "on_the_way", "on_scene"),
    "acknowledged": ("on_the_way", "on_scene"),
    "on_the_way": ("on_scene",),
    "on_scene": (),
}


class Answer(NamedTuple):
    """A home in the roll call. `phones`: (name, number) of its people, for whoever may call them; `may_answer`: by whoever looks."""

    entry: RollCall
    phones: tuple[tuple[str, str], ...]
    may_answer: bool


class Alarm(NamedTuple):
    """An open incident as somebody of the group sees it. `own`: the roll call's entry of that person's home, None without one. `called`:
    who has called 114, and when; `outcomes`: with which whoever looks may end it, beside a false alarm (none: may not end it).
    """

    incident: Incident
    tone: view.Tone
    proof: Proof
    is_here: bool
    own: RollCall | None
    answers: list[Answer]
    decides: list[Do]
    called: tuple[int, str] | None
    outcomes: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Homes by what they say."""
        return {says: sum(answer.entry.says == says for answer in self.answers) for says in WORST_FIRST}


class Bell(NamedTuple):
    """A board of the group with a bell: how it is now, and its newest test."""

    device: Device
    test: BellTested | None

    @property
    def result(self) -> Literal["untested", "measured", "commanded", "no_answer", "failed"]:
        """What the newest test says."""
        if self.test is None:
            return "untested"
        return self.test.result if self.test.result in ("measured", "commanded", "no_answer") else "failed"  # type: ignore[return-value]  # one of these

    @property
    def tone(self) -> view.Tone:
        """A bell that failed its test is no good one, however well its board is."""
        return "fault" if self.device.tone == "good" and self.result in ("no_answer", "failed") else self.device.tone


def visible(incident: Incident, group: str, who: Who) -> bool:
    """Whether this is for the eyes of `who` on the group's page.

    A silent SOS rings nothing, and whoever stands beside the one who pressed must not read of it either. What rang no bell (a lone smoke
    contact, a late alarm) is told to the home where it is and to who is responsible, as by the ladder.
    """
    if group not in _groups(incident):
        return False
    if who.role in SITE_WIDE or incident.bells:
        return True
    if incident.kind == "sos":
        return False
    return who.role in ("leader", "team") or (who.home is not None and incident.place.id == who.home)


def alarms(incidents: Iterable[Incident], group: str, who: Who, site: Site) -> list[Alarm]:
    """The open incidents of a group, the most urgent first."""
    cards = view.cards(incident for incident in incidents if visible(incident, group, who))
    return [_alarm(card, who, site) for card in cards]


def bells(devices: Sequence[DeviceRow], tests: Mapping[str, BellTested], group: str, site: Site, *, live: bool) -> list[Bell]:
    """The boards of a group with a bell, in the order of the site file. One that the engine never heard of is not known."""
    known = {row.id: row for row in devices}
    rows = [known.get(ident) or _never_heard(ident, site) for ident in site.bells_of(group)]
    return [Bell(view.device(row, live=live), tests.get(row.id)) for row in rows]


def last(recorded: Sequence[Incident], group: str, who: Who) -> Incident | None:
    """The newest resolved incident that this person was shown."""
    return next((one for one in recorded if one.state == "resolved" and visible(one, group, who)), None)


def may_do(who: Who, do: Do, group: str, home: str | None = None) -> bool:
    """What the engine will let this person do in a group: nothing else is offered."""
    return may(who.role, do, own_group=who.group == group, own_home=home is not None and home == who.home)


def _alarm(card: view.Card, who: Who, site: Site) -> Alarm:
    incident = card.incident
    in_group = who.group in _groups(incident)
    called = view.called_114(incident)
    possible = {"silence": card.can_silence, "alarm_again": card.can_alarm_again}
    possible |= {"called_114": called is None and incident.kind != "drill"}
    possible |= {do: do in _DONE[incident.state] for do in DECIDES if do not in possible}
    allowed = [do for do in DECIDES if may(who.role, do, own_group=in_group, own_home=False)]
    ends = may(who.role, "resolve", own_group=in_group, own_home=False)
    answers = [
        Answer(entry, _phones(site, entry.home, who), may(who.role, "roll_call", own_group=in_group, own_home=False))
        for entry in sorted(incident.roll_call, key=lambda entry: WORST_FIRST.index(entry.says))
    ]
    return Alarm(
        incident=incident,
        tone=card.tone,
        proof=card.proof,
        is_here=who.home is not None and any(one.place.id == who.home for one in incident.activations),
        own=next((entry for entry in incident.roll_call if who.home and entry.home == who.home), None),
        answers=answers,
        decides=[do for do in allowed if possible[do]],
        called=called,
        outcomes=card.outcomes if ends else (),
    )


def _never_heard(ident: str, site: Site) -> DeviceRow:
    place, group = site.place_of(ident).name, site.group_of(ident)
    return DeviceRow(ident, "", place, group, "unknown", None, "", rssi=None, battery=None, mains=None, refused=0, faults=[])


def _groups(incident: Incident) -> tuple[str, ...]:
    """All groups that it has reached."""
    return tuple(incident.groups) or ((incident.group,) if incident.group else ())


def _phones(site: Site, home: str, who: Who) -> tuple[tuple[str, str], ...]:
    """For who is responsible for that home: of an alarm that has reached two groups each leader calls the own."""
    if not who.sees_phones or not (who.role in SITE_WIDE or any(one.id == home and one.group == who.group for one in site.homes)):
        return ()
    return tuple((person.name, person.phone) for person in site.people if person.home == home and person.phone)
