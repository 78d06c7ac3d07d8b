"""What a desk orders, on a turn: decided by desk.py, written, and told. Pure."""

from gateway.domain import alarms, bell_tests, desk, telling
from gateway.domain.situation import News, Turn, put
from protocol.desk import Command, CommandAnswer
from protocol.incident import Place

_NEWS: dict[str, News] = {
    "acknowledge": "acknowledged",
    "on_the_way": "on_the_way",
    "on_scene": "on_scene",
    "alarm_again": "re_alarmed",
    "resolve": "resolved",
}


def command(turn: Turn, user: str, fact: Command) -> CommandAnswer:
    """A command of the desk, not heard before."""
    if fact.do in ("drill", "test_bell"):
        answer = _drill(turn, user, fact) if fact.do == "drill" else _test_bells(turn, user, fact)
        turn.effects.commands.append((user, turn.now.ms, fact, answer))
        return answer
    incident = turn.situation.incidents.get(fact.incident or "")
    if incident is not None and incident.state == "resolved":
        incident = None
    asked = turn.situation.asked(incident.groups if incident else ())
    person = turn.situation.commune.person(user)
    after, answer = desk.decide(incident, fact, person=person, user=user, asked=asked, now_ms=turn.now.ms)
    turn.effects.commands.append((user, turn.now.ms, fact, answer))
    if after is not None and after is not incident:
        put(turn, telling.withdraw(turn, after) if fact.do == "resolve" else after)
        if fact.do in _NEWS:
            turn.effects.announce(after.id, _NEWS[fact.do])
    return answer


def _drill(turn: Turn, user: str, fact: Command) -> CommandAnswer:
    situation, group = turn.situation, fact.group or ""
    if error := desk.drill_refusal(fact, situation.of_group(group), commune=situation.commune, user=user, now_ms=turn.now.ms):
        return CommandAnswer(id=fact.id, ok=False, error=error)
    place = Place(id=None, name=situation.commune.group_name(group))
    ident = situation.incident_id(turn.now.ms)
    after = alarms.drill(ident, group=group, place=place, asked=situation.asked((group,)), by=user, now_ms=turn.now.ms)
    put(turn, after)
    turn.effects.announce(ident, "opened")
    return CommandAnswer(id=fact.id, ok=True, incident=ident, version=after.version)


def _test_bells(turn: Turn, user: str, fact: Command) -> CommandAnswer:
    situation, in_group = turn.situation, turn.situation.of_group(fact.group)
    commune, running = situation.commune, situation.tests
    if error := bell_tests.refusal(fact, in_group, running, commune=commune, user=user, now_ms=turn.now.ms):
        return CommandAnswer(id=fact.id, ok=False, error=error)
    for test, order in bell_tests.begun(fact, commune, now_s=turn.now.s):
        running[test.device] = test
        turn.effects.errands.append((test.device, order))
    return CommandAnswer(id=fact.id, ok=True)
