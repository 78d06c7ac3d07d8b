"""Who may ask the console for what: every route by every role, cell by cell; and whatever its own document allows, without a 5xx.

A new route must be put into AREAS here, or the first test fails.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from typing import Any, get_args

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as examples
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from stage import Broker, Database, EnginePeer, RunningConsole, incident, log_in, peopled, resolved, running, until

from gateway.console.app import create
from gateway.console.people.rights import AREAS as PARTS
from protocol.people import Role

IDENT = "2026-000123"
GROUP = "TLG-03"
EXAMPLES = 40
PUBLIC = "public"

# (method, path) -> the part of the console that it belongs to. "group" is somebody of the group TLG-03, or of the whole site.
AREAS = {
    ("get", "/group/service-worker.js"): PUBLIC,
    ("get", "/group/offline/{language}"): PUBLIC,
    ("get", "/healthz"): PUBLIC,
    ("post", "/language"): PUBLIC,
    ("get", "/login"): PUBLIC,
    ("post", "/login"): PUBLIC,
    ("get", "/invitation"): PUBLIC,
    ("post", "/invitation"): PUBLIC,
    ("get", "/invitation/{code}"): PUBLIC,
    ("post", "/invitation/{code}"): PUBLIC,
    ("get", "/"): "own",
    ("get", "/account"): "own",
    ("post", "/account/password"): "own",
    ("post", "/logout"): "own",
    ("post", "/logout/everywhere"): "own",
    ("get", "/history"): "desk",
    ("get", "/log"): "upkeep",
    ("get", "/log.csv"): "upkeep",
    ("get", "/handover"): "desk",
    ("get", "/map.geojson"): "desk",
    ("get", "/map.pmtiles"): "desk",
    ("get", "/events"): "desk",
    ("post", "/alive"): "desk",
    ("get", "/incidents/{incident}/record.json"): "desk",
    ("get", "/incidents/{incident}/record"): "desk",
    ("post", "/incidents/{incident}/acknowledge"): "orders",
    ("post", "/incidents/{incident}/on_the_way"): "orders",
    ("post", "/incidents/{incident}/on_scene"): "orders",
    ("post", "/incidents/{incident}/silence"): "orders",
    ("post", "/incidents/{incident}/alarm_again"): "orders",
    ("post", "/incidents/{incident}/called_114"): "orders",
    ("post", "/incidents/{incident}/roll_call"): "orders",
    ("post", "/incidents/{incident}/resolve"): "orders",
    ("get", "/people"): "people",
    ("post", "/people/{ident}/invite"): "people",
    ("post", "/people/{ident}/close"): "people",
    ("get", "/audit"): "people",
    ("get", "/group/"): "group",
    ("get", "/group/{group}"): "group",
    ("get", "/group/{group}/events"): "group",
    ("post", "/group/{group}/answer"): "group",
    ("post", "/group/{group}/decide"): "group",
    ("post", "/group/{group}/resolve"): "group",
    ("post", "/group/{group}/test"): "group",
}
FORM = {
    **{"version": "7", "outcome": "fire", "incident": IDENT, "home": "H03-02", "says": "safe", "do": "silence", "language": "vi"},
    **{"name": "nobody", "code": "x", "password": "x", "again": "y", "old": "x", "new": "y", "page": "x", "audible": "no"},
}
ROLES: tuple[Role, ...] = get_args(Role)
# One of each role; of those with a group one of TLG-03 and one of the other group.
PEOPLE = {
    **{"truc-ban-1": "duty", "chief-1": "chief", "ky-thuat-1": "technician", "viewer-1": "viewer", "administrator-1": "administrator"},
    **{f"{role}-{number}": role for role in ("leader", "team", "household") for number in (1, 2)},
}


class Town:
    def __init__(self, console: RunningConsole, engine: EnginePeer) -> None:
        self.console, self.engine = console, engine
        self.document: dict[str, Any] = create(console.console).openapi()
        self._sessions: dict[str, str] = {}

    def session(self, person: str, path: str = "") -> dict[str, str]:
        """The cookie of a session; a new one after a request that ends it."""
        if person not in self._sessions:
            self._sessions[person] = secrets.token_urlsafe(32)
            log_in(self.console.own, person, self._sessions[person])
        return {"session": self._sessions.pop(person) if path.startswith("/logout") else self._sessions[person]}

    def ask(self, method: str, path: str, cookies: dict[str, str], **headers: str) -> int:
        """The status alone: an event stream never ends."""
        values = {"incident": IDENT, "group": GROUP, "ident": "nobody", "code": "x", "language": "vi"}
        url = self.console.url + path.format(**values)
        query = {"before": "1"} if path in ("/history", "/log") else None
        form = FORM if method == "post" else None
        own = {"Origin": self.console.url, "HX-Request": "true"}
        with httpx.stream(method, url, params=query, data=form, cookies=cookies, headers=own | headers, timeout=30) as answer:
            return answer.status_code


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    engine = EnginePeer(broker.port)
    database = Database(tmp_path_factory.mktemp("data") / "keng.db")
    database.commune()
    database.keep(resolved(IDENT))
    with running(broker.port, database.path, site=peopled()) as console:
        engine.publish(incident("2026-000124"))
        until(lambda: console.health()["open_incidents"] == 1, "the console has heard the engine")
        yield Town(console, engine)
    database.db.close()
    engine.die()
    broker.kill()


def may(person: str, method: str, path: str) -> bool:
    """What the requirements say."""
    area, role = AREAS[method, path], PEOPLE[person]
    if area == PUBLIC:
        return True
    if area == "group" and path != "/group/":
        return role in ("duty", "chief", "technician", "viewer") or (role in ("leader", "team", "household") and person.endswith("-1"))
    return area in PARTS[role]  # type: ignore[comparison-overlap,index]  # PEOPLE's words are roles


def test_every_route_has_its_row() -> None:
    """And every role somebody who asks."""
    assert set(PEOPLE.values()) == set(ROLES)


def test_every_route_of_the_document_is_in_the_table(town: Town) -> None:
    routes = {(method, path) for path, methods in town.document["paths"].items() for method in methods}
    assert routes == set(AREAS), "a new route: say here to which part of the console it belongs"


@pytest.mark.parametrize("person", PEOPLE)
def test_a_route_is_open_to_those_to_whom_it_belongs_and_to_nobody_else(town: Town, person: str) -> None:
    wrong = []
    for method, path in AREAS:
        status = town.ask(method, path, town.session(person, path))
        # A wrong password is 403 too; what a form lacks is told only to whoever may send it.
        refused = status in (401, 403) and path not in ("/login", "/account/password")
        if refused == may(person, method, path) or status >= 500:
            wrong.append((method, path, status))
    assert wrong == []


def test_without_login_nothing_but_the_public_is_open(town: Town) -> None:
    for (method, path), area in AREAS.items():
        status = town.ask(method, path, {})
        assert (status == 401) == (area != PUBLIC), (method, path, status)


def test_what_was_refused_has_sent_nothing(town: Town) -> None:
    before = len(town.engine.commands)
    for person in PEOPLE:
        for method, path in AREAS:
            if method == "post" and not may(person, method, path):
                town.ask(method, path, town.session(person, path))
    assert len(town.engine.commands) == before


def test_whoever_may_not_decide_is_shown_no_order_on_any_page(town: Town) -> None:
    """Neither at the desk nor on the page of a group: the forms that are left choose the language and test bells."""
    sends = re.compile(r'(?:action|hx-post)="(/[^"]+)"')
    for person, allowed in {
        "truc-ban-1": {"/incidents", "/group/TLG-03"},
        "chief-1": {"/incidents", "/group/TLG-03"},
        "viewer-1": set[str](),
        "ky-thuat-1": set[str](),
    }.items():
        orders = set()
        for path in ("/", "/?incident=2026-000124", "/log", "/history", "/group/TLG-03"):
            text = httpx.get(town.console.url + path, cookies=town.session(person)).text
            orders |= {action for action in sends.findall(text) if action not in ("/language", "/log")}
        assert {action for action in orders if not action.startswith(tuple(allowed))} == set() if allowed else orders == set(), person
        assert (bool(orders)) == bool(allowed), person


def test_who_needs_help_and_phone_numbers_are_for_who_is_responsible_and_while_it_burns(town: Town) -> None:
    """At the desk. The page of a group has its own test."""
    helps, phone = "cụ bà 82 tuổi", "tel:+84"
    for person, sees in {"truc-ban-1": True, "chief-1": True, "viewer-1": False, "ky-thuat-1": False}.items():
        text = httpx.get(f"{town.console.url}/", cookies=town.session(person)).text
        assert ("CHÁY: Hộ mẫu 03-07" in text, helps in text) == (True, sees), person
        assert sees or phone not in text, person
        for path in ("/log", "/history", "/handover", f"/incidents/{IDENT}/record", f"/incidents/{IDENT}/record.json", "/map.geojson"):
            text = httpx.get(town.console.url + path, cookies=town.session(person)).text
            assert helps not in text, (person, path)
            assert phone not in text, (person, path)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_do_nothing(town: Town, method: str) -> None:
    cookies = town.session("truc-ban-1")
    for path in ("/", "/people", "/incidents/2026-000123/acknowledge", "/static/console.css", "/login"):
        answer = httpx.request(method, town.console.url + path, cookies=cookies, headers={"Origin": town.console.url})
        assert answer.status_code in (403, 404, 405), (path, answer.status_code)


ASKED_BY = {
    "own": "viewer-1",
    "desk": "truc-ban-1",
    "upkeep": "ky-thuat-1",
    "orders": "truc-ban-1",
    "people": "administrator-1",
    "group": "leader-1",
    PUBLIC: "",
}
STREAMS = ("/events", "/group/{group}/events")


def ask_at_random(town: Town, operation: Any, cookies: dict[str, str], mode: GenerationMode) -> int:
    """Ask one route what the document allows, or does not. Returns how often."""
    asked = 0

    @examples(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        nonlocal asked
        answer = case.call(base_url=town.console.url, headers={"Origin": town.console.url}, cookies=cookies, timeout=30)
        asked += 1
        assert answer.status_code < 500, (case.method, case.path, case.body, answer.text[:300])

    check()
    return asked


@pytest.mark.long
@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize("area", sorted(set(AREAS.values())))
def test_nothing_that_the_document_allows_or_forbids_is_a_server_error(town: Town, area: str, mode: GenerationMode) -> None:
    operations = [found.ok() for found in schemathesis.openapi.from_dict(town.document).get_all_operations()]
    operations = [one for one in operations if AREAS[one.method, one.path] == area and one.path not in STREAMS]
    assert operations
    for operation in operations:
        cookies = town.session(ASKED_BY[area], operation.path) if area != PUBLIC else {}
        with (
            suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext()
        ):  # a route that takes nothing cannot be asked wrongly
            assert ask_at_random(town, operation, cookies, mode) >= 1
