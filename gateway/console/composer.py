"""Puts the pages together: models through view.py, scene.py and the templates into fragments, once for each change, language and reader."""

import json
from pathlib import Path
from typing import Literal, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gateway.console import scene, view, words
from gateway.console.changes import Changes
from gateway.console.compiled import Compiled
from gateway.console.feed import Feed
from gateway.console.fragments import Fragment, leaf, whole
from gateway.console.records import Records, Shelf
from gateway.console.release import release
from gateway.console.words import LANGUAGES, Language, Words, load
from gateway.store.queries import MaintenanceEntry, Record
from protocol.incident import Incident, TimelineEntry
from protocol.people import Role
from protocol.site import Site

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"
COMPILED = Compiled()
PARTS = "<!--parts-->"
# Links that change the view and leave the document, and with it the sound that somebody turned on, as it is.
BOOST = Markup('hx-boost="true" hx-select="#view" hx-target="#view" hx-swap="outerHTML show:none"')  # a constant
# What a page shows beside the strip, which is on every page. boards: faults and boards without the log, which a filter may stand before.
Show = Literal["desk", "log", "boards", "strip"]
# What stands below each other in a card; the columns themselves are desk.css's to arrange.
CARD = {"act": ("head", "actions", "call"), "place": ("map", "scene"), "people": ("bells", "roll", "ladder"), "more": ("more",)}
RECENT = 5
TOLD = ("delivered", "delivery_failed")  # of the timeline: what a channel did, and no person


class Sees(NamedTuple):
    """What a reader may see and do: give orders, phone numbers, who needs help."""

    orders: bool = True
    phones: bool = True
    helps: bool = True


class Composer:
    """Renders in every language, and keeps what it rendered until something changes."""

    def __init__(self, feed: Feed, shelf: Shelf, changes: Changes, site: Site) -> None:
        self._feed = feed
        self._shelf = shelf
        self._changes = changes
        self._site = site
        self._names = _names(site)
        roles = {person.id: person.role for person in site.people}
        self._environments = {language: _environment(load(language), self._names, roles) for language in LANGUAGES}
        named = release(STATIC.parent)
        for environment in self._environments.values():
            environment.globals["release"] = named
            for template in ("pieces.html", "card.html"):  # the first alarm does not wait until they are compiled
                _ = environment.get_template(template).module
        self._kept: tuple[int, dict[tuple[object, ...], tuple[Fragment, ...]]] = (-1, {})

    def words(self, language: Language) -> Words:
        """The catalogue of a language."""
        found: Words = self._environments[language].globals["t"]  # type: ignore[assignment]  # set in _environment
        return found

    def page(self, language: Language, show: Show = "desk", sees: Sees = Sees(), incident: str = "") -> tuple[Fragment, ...]:  # noqa: B008
        """The pieces of a page as they are now, the strip first. `incident`: the one that the desk shows whole, see `chosen`."""
        count, kept = self._kept
        if count != self._changes.count:
            count, kept = self._kept = (self._changes.count, {})
        key = (language, show, sees, incident)
        if key not in kept:
            kept[key] = (self._strip(language), *self._pieces(language, show, sees, incident))
        return kept[key]

    def name(self, ident: str) -> str:
        """The name of a person, home or board; the id itself for one that the site does not know."""
        return self._names.get(ident, ident)

    def chosen(self, wanted: str, before: str) -> str:
        """Which open incident a desk shows whole."""
        return view.chosen(view.cards(self._feed.incidents), wanted, before)

    def render(self, language: Language, template: str, **context: object) -> str:
        """A whole document."""
        return self._environments[language].get_template(template).render(context)

    def piece(self, language: Language, template: str, macro: str, **context: object) -> str:
        """One macro of a template."""
        return str(getattr(self._environments[language].get_template(template).module, macro)(**context)).strip()

    def older_incidents(self, language: Language, incidents: list[Incident]) -> Markup:
        """The items of a page of the history: what is over, as on the desk."""
        past = view.history(incidents, self._feed.incidents, live=self._feed.liveness.engine == "online")
        return Markup("".join(part.html for part in self._history(language, past)))  # noqa: S704  # autoescaped by the templates

    def entries(self, language: Language, entries: list[MaintenanceEntry]) -> Markup:
        """The items of a page of the maintenance log."""
        return Markup("".join(part.html for part in self._entries(language, entries)))  # noqa: S704  # autoescaped by the templates

    def _pieces(self, language: Language, show: Show, sees: Sees, incident: str) -> list[Fragment]:
        records, live = self._shelf.records, self._feed.liveness.engine == "online"
        if show == "desk":
            return self._desk(language, records, sees, incident, live=live)
        if show == "strip":
            return []
        log = self._whole(language, "maintenance", self._entries(language, records.entries), records=records, live=live)
        boards = self._boards(language, records, live=live)
        channels = self._leaf(language, "channels", "channels", channels=records.channels, records=records, live=live)
        return [boards[0], *([log] if show == "log" else []), channels, boards[1]]

    def _strip(self, language: Language) -> Fragment:
        alarms = [card for card in view.cards(self._feed.incidents) if card.alarm]
        return self._leaf(language, "strip", "strip", liveness=self._feed.liveness, alarms=alarms)

    def _desk(self, language: Language, records: Records, sees: Sees, incident: str, *, live: bool) -> list[Fragment]:
        cards = view.cards(self._feed.incidents)
        parts = []
        if len(cards) > 1:
            rows = [self._row(language, card, sees, is_shown=card.incident.id == incident) for card in cards]
            parts.append(self._whole(language, "queue", rows, n=len(cards)))
        parts += [self._card(language, card, records, sees, live=live) for card in cards if card.incident.id == incident]
        if not cards:
            parts.append(self._calm(language, records, live=live))
        past = view.history(records.incidents, self._feed.incidents, live=live)[:RECENT]
        counts = view.trouble_counts(view.devices(records.devices, live=live))
        return [
            self._whole(language, "incidents", parts, liveness=self._feed.liveness, live=live, n=len(cards)),
            self._whole(language, "history", self._history(language, past), records=records, live=live),
            self._leaf(language, "upkeep", "upkeep", counts=counts, records=records, live=live),
        ]

    def _row(self, language: Language, card: view.Card, sees: Sees, *, is_shown: bool) -> Fragment:
        return self._leaf(language, f"row-{card.incident.id}", "row", card=card, sees=sees, is_shown=is_shown)

    def _card(self, language: Language, card: view.Card, records: Records, sees: Sees, *, live: bool) -> Fragment:
        ident, incident = card.incident.id, card.incident
        found = scene.scene(self._site, incident, records.devices, live=live, phones=sees.phones, helps=sees.helps)
        shown = json.dumps(scene.on_map(incident, found, self._site), ensure_ascii=False)
        context = {"card": card, "scene": found, "sees": sees, "shown": shown}
        columns = []
        for column, names in CARD.items():
            pieces = [self._leaf(language, f"{name}-{ident}", f"card_{name}", **context) for name in names]
            before = f'<div class="column {column}" id="{column}-of-{ident}" hx-swap-oob="true">'
            columns.append(whole(f"{column}-of-{ident}", before, pieces, "</div>"))
        return self._whole(language, "card", columns, ident=f"card-{ident}", card=card)

    def _calm(self, language: Language, records: Records, *, live: bool) -> Fragment:
        boards = scene.boards_at(self._site, records.devices)
        points = [(spot, scene.ready(spot, boards.get(spot.id), live=live)) for spot in self._site.fire_points]
        shown = {"place": None, "points": {spot.id: [ready.key, ready.there, ready.total] for spot, ready in points}}
        pieces = [
            self._leaf(language, "map-all", "calm_map"),
            self._leaf(language, "scene-all", "calm_scene", points=points, shown=json.dumps(shown)),
        ]
        return self._whole(language, "calm", pieces, live=live)

    def _history(self, language: Language, incidents: list[Incident]) -> list[Fragment]:
        return [self._leaf(language, f"past-{incident.id}", "past", incident=incident) for incident in incidents]

    def _entries(self, language: Language, entries: list[MaintenanceEntry]) -> list[Fragment]:
        return [self._leaf(language, f"entry-{entry.id}", "entry", entry=entry) for entry in entries]

    def _boards(self, language: Language, records: Records, *, live: bool) -> list[Fragment]:
        """What is wrong now, and every board."""
        shown = view.devices(records.devices, live=live)
        wrong = [self._leaf(language, f"fault-{one.row.id}", "fault", one=one) for one in shown if one.tone != "good"]
        faults = self._whole(language, "faults", wrong, records=records, live=live, liveness=self._feed.liveness)
        summary = self._leaf(language, "devices-summary", "devices_summary", counts=view.device_counts(shown), records=records, live=live)
        tiles = [self._leaf(language, f"device-{one.row.id}", "device", one=one) for one in shown]
        parts = [summary, whole("tiles", '<ul class="tiles" id="tiles" hx-swap-oob="true">', tiles, "</ul>")]
        return [faults, self._whole(language, "devices", parts)]

    def _leaf(self, language: Language, ident: str, macro: str, **context: object) -> Fragment:
        return leaf(ident, self._macro(language, macro, **context))

    def _whole(self, language: Language, macro: str, parts: list[Fragment], *, ident: str = "", **context: object) -> Fragment:
        """The macro's element, with `parts` in place of its mark."""
        before, after = self._macro(language, macro, parts=bool(parts), **context).split(PARTS)
        return whole(ident or macro, before, parts, after)

    def _macro(self, language: Language, name: str, **context: object) -> str:
        template = "card.html" if name.startswith("card") else "pieces.html"
        return str(getattr(self._environments[language].get_template(template).module, name)(**context)).strip()


def _names(site: Site) -> dict[str, str]:
    """What people call the people, homes and boards of a commune, by id."""
    boards = {board.id: site.place_of(board.id).name for board in site.boards}
    return boards | {home.id: home.name for home in site.homes} | {person.id: person.name for person in site.people}


def on_paper(record: Record, people: dict[str, str], *, language: Language, person: str, now_ms: int) -> str:
    """The record of an incident as one file, to be opened anywhere and printed. `people`: names by id; `person`: who asks for it."""
    css = Markup((STATIC / "record.css").read_text(encoding="utf-8"))  # noqa: S704  # our own file
    environment = _environment(load(language), people, {})
    return environment.get_template("record.html").render(record=record, person=person, now_ms=now_ms, css=css)


def _environment(catalogue: Words, names: dict[str, str], roles: dict[str, Role]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=COMPILED,
    )
    environment.globals |= {
        "t": catalogue,
        "stamp": words.stamp,
        "clock": words.clock,
        "day": words.day,
        "iso": words.iso,
        "symbols": view.SYMBOLS,
        "signs": view.SIGNS,
        "marks": {"need_help": "!", "no_answer": "?", "coming": "→", "safe": "✓"},
        "outcome_tones": view.OUTCOME_TONES,
        "name_of": lambda ident: names.get(ident, ident),
        "role_of": roles.get,
        "detail_of": lambda entry: _detail(catalogue, entry, names),
        "doer_of": lambda entry: catalogue.channel(entry.who) if entry.what in TOLD else names.get(entry.who, entry.who),
        "boost": BOOST,
        "parts_here": Markup(PARTS),  # noqa: S704  # a constant
    }
    return environment


def _detail(catalogue: Words, entry: TimelineEntry, names: dict[str, str]) -> str:
    """A timeline's detail in words; of a roll call, which home says what."""
    home, colon, says = entry.detail.rpartition(": ")
    if entry.what == "roll_call":
        return f"{names.get(home, home)}{colon}{catalogue.of('roll', says)}"
    return catalogue.detail(entry.detail)
