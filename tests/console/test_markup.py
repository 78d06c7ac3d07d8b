"""Names arrive from a spreadsheet and words from boards: markup in every text that there is stays text, on every page, for everybody."""

import json
import re
import secrets
from typing import Any

import httpx
import pytest
from stage import COOKIES, NOON_MS, START, Broker, Database, EnginePeer, incident, log_in, peopled, resolved, running, until

from protocol import topics
from protocol.incident import Delivery, LadderPosition, RollCall, TimelineEntry
from protocol.messages import Fault, Gateway
from protocol.site import Site

XSS = """<script>alert(1)</script><img src=x onerror='alert(2)'>"{{7*7}}"""
IDENT = "2026-000123"
# Texts that somebody writes into the site file, wherever they stand in it.
WRITTEN = ("name", "address", "landmark", "way_in", "needs_help", "equipment", "note")
PAGES = (
    "/",
    "/log",
    "/log?place=%3Cscript%3E",
    "/history",
    "/handover",
    "/account",
    "/group/",
    "/group/TLG-03",
    "/nowhere",
    "/incidents/2026-000100/record",
)


def wicked(value: Any) -> Any:
    """A description of a commune with markup in every text that somebody writes."""
    if isinstance(value, dict):
        return {key: XSS if key in WRITTEN and isinstance(one, str) and one else wicked(one) for key, one in value.items()}
    return [wicked(one) for one in value] if isinstance(value, list) else value


def markup(page: str) -> list[str]:
    """What of XSS is markup on a page."""
    return re.findall(r"<script>alert|<img src=x|onerror='alert", page)


@pytest.fixture
def site() -> Site:
    return Site.model_validate(wicked(json.loads(peopled().model_dump_json())))


def test_markup_in_every_text_is_shown_and_never_run(broker: Broker, engine: EnginePeer, database: Database, site: Site) -> None:
    place = site.place_of("H03-07")
    assert (place.name, place.address, place.landmark, place.way_in) == (XSS,) * 4
    roll = [RollCall.model_validate({"home": "H03-07", "name": XSS, "says": "need_help", "by": "truc-ban-1", "at_ms": NOON_MS})]
    sent = [
        Delivery.model_validate(
            {
                "id": 1,
                "channel": "sms",
                "what": "opened",
                "person": "leader-1",
                "state": "failed",
                "tries": 2,
                "at_ms": NOON_MS,
                "error": XSS,
            }
        ),
        Delivery.model_validate(
            {"id": 2, "channel": "webhook:x", "what": "opened", "person": "", "state": "failed", "tries": 2, "at_ms": NOON_MS, "error": XSS}
        ),
    ]
    timeline = [TimelineEntry(at_ms=NOON_MS, what="resolved", who="truc-ban-1", detail=XSS)]
    bells = [incident().bells[10].model_copy(update={"place": XSS})]
    ladder = LadderPosition(cause="fire", round=1, step=1, due_ms=NOON_MS, next=["leader-1"])
    burning = {"place": place, "group_name": XSS, "groups": ["TLG-03"], "roll_call": roll, "deliveries": sent, "timeline": timeline}
    burning |= {"bells": bells, "ladder": ladder, "activations": [incident().activations[0].model_copy(update={"place": place})]}
    database.keep(resolved("2026-000100", **burning))
    database.log("board_fault", detail=XSS)
    database.log("gateway_fault", detail=XSS, device="DCC-017", point=XSS[:20])
    database.board("H03-05", faults={"point_fault": XSS, XSS: XSS})
    database.channel("webhook:x", failed=XSS)
    tokens = {person: secrets.token_urlsafe(32) for person in ("leader-1", "household-1", "administrator-1")}
    with running(broker.port, database.path, site=site) as console:
        for person, token in tokens.items():
            log_in(console.own, person, token)
        fault = Fault(key="sms", kind="strange", name=XSS, words=XSS, since_ms=NOON_MS)
        engine.say(
            topics.gateway(site.id), Gateway(online=True, engine=START, version="1", faults=[XSS], lasting=[fault]).payload(), retain=True
        )
        engine.publish(incident(IDENT, **burning))
        until(lambda: console.health()["open_incidents"] == 1, "the incident is known")
        until(lambda: "fault-H03-05" in httpx.get(f"{console.url}/log", cookies=COOKIES).text, "the boards are known")
        shown = {f"duty {path}": httpx.get(console.url + path, cookies=COOKIES).text for path in PAGES}
        for person in ("leader-1", "household-1"):
            shown[person] = httpx.get(f"{console.url}/group/TLG-03", cookies={"session": tokens[person]}).text
        for path in ("/people", "/audit"):
            shown[path] = httpx.get(console.url + path, cookies={"session": tokens["administrator-1"]}).text
    assert {name: found for name, page in shown.items() if (found := markup(page))} == {}
    without = {name for name, page in shown.items() if "&lt;script&gt;alert" not in page}
    assert without == set(), "the text itself is there"
