"""The commands `keng export`: what happened, for other programs and on paper, from a database that is written meanwhile or is not."""

import csv
import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TextIO

import typer

from gateway import startup
from gateway.commands import DATA, Data, Json
from gateway.domain.audiences import VIETNAM
from gateway.spreadsheet import BOM, cell
from gateway.store import exports, queries
from gateway.store.exports import Kind
from gateway.supervisor import CannotStart
from protocol.tomlfile import FileMistakes

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

BY = "keng export"

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file, whole or not at all. Without it to stdout.", metavar="FILE")
]
Since = Annotated[str, typer.Option("--from", help="The first day, such as 01/11/2026 or 2026-11-01.", metavar="DAY")]
Until = Annotated[str, typer.Option("--to", help="The last day, included.", metavar="DAY")]
Separator = Annotated[str, typer.Option("--separator", help='Between columns; ";" for a Vietnamese Excel.', metavar="SIGN")]
Language = Annotated[Literal["vi", "en"], typer.Option("--language", help="Of words and paper.")]


@app.callback()
def _export() -> None:
    """Incidents, events and the maintenance log for other programs and on paper. Reads only; the engine may run."""


@app.command("incident")
def _incident(
    incident: Annotated[str, typer.Argument(help="Its id, such as 2026-000012.", metavar="ID")],
    data: Data = DATA,
    site: Annotated[Path | None, typer.Option("--site", help="The site file: names in the place of ids, on paper.", metavar="FILE")] = None,
    *,
    html: Annotated[bool, typer.Option("--html", help="A page to be printed, instead of JSON.")] = False,
    language: Language = "vi",
    output: Output = None,
) -> None:
    """Everything about one incident, second by second: JSON, or with --html a page for A4.

    \b
    Examples:
      keng export incident 2026-000012 --data /var/lib/keng > incident.json
      keng export incident 2026-000012 --html --site site.toml -o incident.html
    """
    with startup.reported("keng export incident"), _database(data) as db:
        found = queries.record(db, incident)
        if found is None:
            newest = exports.newest_incident(db)
            raise FileMistakes(
                [f"ID: expected an incident of {data / 'keng.db'}{f', such as {newest}' if newest else ''}, got {incident!r}"]
            )
        from gateway.console import composer, records  # noqa: PLC0415  # templates, for this command alone

        people = {person.id: person.name for person in startup.load_site(site).people} if site else {}
        with _written(output) as out:
            if html:
                out.write(composer.on_paper(found, people, language=language, person=BY, now_ms=time.time_ns() // 1_000_000))
            else:
                out.write(json.dumps(records.document(found), ensure_ascii=False, indent=1) + "\n")


@app.command("incidents")
def _incidents(
    data: Data = DATA,
    since: Since = "",
    until: Until = "",
    *,
    as_json: Json = False,
    separator: Separator = ",",
    output: Output = None,
) -> None:
    """A line for each incident: CSV for a spreadsheet, or with --json an object a line.

    \b
    Example:
      keng export incidents --from 01/11/2026 --to 30/11/2026 -o november.csv
    """
    _table("incidents", data, (since, until), as_json=as_json, separator=separator, output=output)


@app.command("events")
def _events(
    data: Data = DATA,
    since: Since = "",
    until: Until = "",
    *,
    as_json: Json = False,
    separator: Separator = ",",
    output: Output = None,
) -> None:
    """Everything that boards have said, by the time it came: CSV, or with --json an object a line.

    \b
    Examples:
      keng export events --from 22/11/2026 --to 22/11/2026 -o events.csv
      keng export events --json | jq .point
    """
    _table("events", data, (since, until), as_json=as_json, separator=separator, output=output)


@app.command("maintenance")
def _maintenance(
    data: Data = DATA,
    since: Since = "",
    until: Until = "",
    *,
    as_json: Json = False,
    separator: Separator = ",",
    language: Language = "vi",
    output: Output = None,
) -> None:
    """The maintenance log: CSV with words for people, or with --json an object a line.

    \b
    Example:
      keng export maintenance --from 01/11/2026 --separator ";" -o maintenance.csv
    """
    _table("maintenance", data, (since, until), as_json=as_json, separator=separator, output=output, language=language)


def _table(
    kind: Kind,
    data: Path,
    days: tuple[str, str],
    *,
    as_json: bool,
    separator: str,
    output: Path | None,
    language: Literal["vi", "en"] | None = None,
) -> None:
    with startup.reported(f"keng export {kind}"), _database(data) as db:
        if len(separator) != 1 or separator in '"\r\n':
            raise FileMistakes([f"--separator: expected one sign, got {separator!r}"])
        since_ms, before_ms = _day_ms(days[0], "--from", 0), _day_ms(days[1], "--to", 1)
        rows = exports.rows(db, kind, since_ms=since_ms or 0, before_ms=1 << 62 if before_ms is None else before_ms)
        with _written(output) as out:
            if as_json:
                out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            else:
                _write_csv(out, exports.columns(db, kind), _worded(rows, language), separator, has_words=language is not None)


def _write_csv(out: TextIO, columns: list[str], rows: Iterable[dict[str, Any]], separator: str, *, has_words: bool) -> None:
    """Each time in ms is also there as people write it, as the column without _ms."""
    times = [name for name in columns if name.endswith("_ms")]
    names = [part for name in columns for part in ([name.removesuffix("_ms"), name] if name in times else [name])] + ["words"] * has_words
    out.write(BOM)
    table = csv.writer(out, delimiter=separator)
    table.writerow(names)
    for row in rows:
        told = row | {name.removesuffix("_ms"): _stamp(row[name]) for name in times}
        table.writerow([cell(told[name]) for name in names])


def _worded(rows: Iterable[dict[str, Any]], language: Literal["vi", "en"] | None) -> Iterator[dict[str, Any]]:
    if language is None:
        yield from rows
        return
    from gateway.console import words  # noqa: PLC0415

    catalogue = words.load(language)
    for row in rows:
        yield row | {"words": catalogue.of("what", row["what"])}


def _stamp(at_ms: int | None) -> str:
    from gateway.console import words  # noqa: PLC0415

    return "" if at_ms is None else words.stamp(at_ms)


def _day_ms(day: str, option: str, later_days: int) -> int | None:
    """The beginning of a day in Vietnam, or of one later, in Unix ms; None for no day."""
    if not day:
        return None
    for form in ("%d/%m/%Y", "%Y-%m-%d"):
        try:
            found = datetime.strptime(day, form).replace(tzinfo=VIETNAM) + timedelta(days=later_days)
        except (ValueError, OverflowError):
            continue
        return int(found.timestamp() * 1000)
    raise FileMistakes([f"{option}: expected a day such as 22/11/2026 or 2026-11-22, got {day!r}"])


@contextmanager
def _database(data: Path) -> Iterator[sqlite3.Connection]:
    path = data / "keng.db"
    try:
        with closing(queries.connect(path)) as db:
            yield db
    except sqlite3.Error as exc:
        raise CannotStart(f"{path}: expected a database that can be read, got: {exc}") from None


@contextmanager
def _written(output: Path | None) -> Iterator[TextIO]:
    """Where to write: a file that is there whole or not at all, or stdout."""
    if output is None:
        yield sys.stdout
        return
    part = output.with_name(f".{output.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            part.chmod(0o600)
            yield file
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
