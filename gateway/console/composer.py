"""Puts the page together: models through view.py and the templates into fragments, once for each change and language."""

from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gateway.console import view, words
from gateway.console.changes import Changes
from gateway.console.feed import Feed
from gateway.console.fragments import Fragment, leaf, whole
from gateway.console.records import Records, Shelf
from gateway.console.words import Language, Words
from gateway.store.queries import MaintenanceEntry, Record
from protocol.messages import Incident

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"


class Page(NamedTuple):
    """What a page shows and what changes on it: `strip` on every page, `desk` on the desk's."""

    strip: Fragment
    desk: Fragment


class Composer:
    """Renders in every language, and keeps the page of each until something changes. `people`: the site's names by id."""

    def __init__(self, feed: Feed, shelf: Shelf, changes: Changes, people: dict[str, str]) -> None:
        self._feed = feed
        self._shelf = shelf
        self._changes = changes
        self._environments = {language: _environment(words.load(language), people) for language in words.LANGUAGES}
        self._pages: dict[Language, tuple[int, Page]] = {}

    def words(self, language: Language) -> Words:
        """The catalogue of a language."""
        found: Words = self._environments[language].globals["t"]  # type: ignore[assignment]  # set in _environment
        return found

    def page(self, language: Language) -> Page:
        """Everything that is shown now."""
        known = self._pages.get(language)
        if known is None or known[0] != self._changes.count:
            known = self._pages[language] = (self._changes.count, self._compose(language))
        return known[1]

    def render(self, language: Language, template: str, **context: object) -> str:
        """A whole document."""
        return self._environments[language].get_template(template).render(context)

    def piece(self, language: Language, template: str, macro: str, **context: object) -> str:
        """One macro of a template."""
        return str(getattr(self._environments[language].get_template(template).module, macro)(**context)).strip()

    def older_incidents(self, language: Language, incidents: list[Incident]) -> Markup:
        """The items of an older page of the history."""
        return Markup("".join(part.html for part in self._history(language, incidents)))  # noqa: S704  # autoescaped by the templates

    def older_entries(self, language: Language, entries: list[MaintenanceEntry]) -> Markup:
        """The items of an older page of the maintenance log."""
        return Markup("".join(part.html for part in self._entries(language, entries)))  # noqa: S704  # autoescaped by the templates

    def _compose(self, language: Language) -> Page:
        feed, records = self._feed, self._shelf.records
        live = feed.liveness.engine == "online"
        cards = view.cards(feed.incidents)
        alarms = [card for card in cards if card.alarm]
        strip = self._leaf(language, "strip", "strip", liveness=feed.liveness, alarms=alarms)
        parts = [
            self._whole(language, "incidents", [self._card(language, card) for card in cards], liveness=feed.liveness, live=live),
            self._whole(
                language,
                "history",
                self._history(language, view.history(records.incidents, feed.incidents, live=live)),
                records=records,
                live=live,
            ),
            self._whole(language, "maintenance", self._entries(language, records.entries), records=records, live=live),
            self._leaf(language, "channels", "channels", channels=records.channels, records=records, live=live),
            self._devices(language, records, live=live),
        ]
        return Page(strip, whole("desk", "", parts, ""))

    def _card(self, language: Language, card: view.Card) -> Fragment:
        ident = card.incident.id
        pieces = [
            self._leaf(language, f"{name}-{ident}", f"card_{name}", card=card) for name in ("head", "actions", "place", "bells", "more")
        ]
        return self._whole(language, "card", pieces, ident=f"card-{ident}", card=card)

    def _history(self, language: Language, incidents: list[Incident]) -> list[Fragment]:
        return [self._leaf(language, f"past-{incident.id}", "past", incident=incident) for incident in incidents]

    def _entries(self, language: Language, entries: list[MaintenanceEntry]) -> list[Fragment]:
        return [self._leaf(language, f"entry-{entry.id}", "entry", entry=entry) for entry in entries]

    def _devices(self, language: Language, records: Records, *, live: bool) -> Fragment:
        shown = view.devices(records.devices, live=live)
        summary = self._leaf(language, "devices-summary", "devices_summary", counts=view.device_counts(shown), records=records, live=live)
        tiles = [self._leaf(language, f"device-{one.row.id}", "device", one=one) for one in shown]
        return self._whole(
            language, "devices", [summary, whole("tiles", '<ul class="tiles" id="tiles" hx-swap-oob="true">', tiles, "</ul>")]
        )

    def _leaf(self, language: Language, ident: str, macro: str, **context: object) -> Fragment:
        return leaf(ident, self._macro(language, macro, **context))

    def _whole(self, language: Language, macro: str, parts: list[Fragment], *, ident: str = "", **context: object) -> Fragment:
        """The macro's element, with `parts` in place of its mark."""
        before, after = self._macro(language, macro, parts=bool(parts), **context).split(PARTS)
        return whole(ident or macro, before, parts, after)

    def _macro(self, language: Language, name: str, **context: object) -> str:
        return str(getattr(self._environments[language].get_template("pieces.html").module, name)(**context)).strip()


PARTS = "<!--parts-->"


def on_paper(record: Record, people: dict[str, str], *, language: Language, person: str, now_ms: int) -> str:
    """The record of an incident as one file, to be opened anywhere and printed. `people`: names by id; `person`: who asks for it."""
    css = Markup((STATIC / "record.css").read_text(encoding="utf-8"))  # noqa: S704  # our own file
    environment = _environment(words.load(language), people)
    return environment.get_template("record.html").render(record=record, person=person, now_ms=now_ms, css=css)


def _environment(catalogue: Words, people: dict[str, str]) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {
        "t": catalogue,
        "stamp": words.stamp,
        "iso": words.iso,
        "symbols": view.SYMBOLS,
        "marks": {"need_help": "!", "no_answer": "?", "coming": "→", "safe": "✓"},
        "outcome_tones": view.OUTCOME_TONES,
        "name_of": lambda ident: people.get(ident, ident),
        "parts_here": Markup(PARTS),  # noqa: S704  # a constant
    }
    return environment
