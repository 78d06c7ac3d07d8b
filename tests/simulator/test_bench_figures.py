"""Figures: percentiles, floors, targets, and what is written of them."""

import asyncio
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from simulator.bench import boards, chaos, crowded, engine, field, report, storm, updating, workshop
from simulator.bench.book import QUICK, Book
from simulator.bench.crowd import Counts
from simulator.bench.figures import Figure, NotMeasured, of_samples, of_value, percentile
from simulator.bench.targets import TARGETS, met
from simulator.parts import PartFailed

UNITS = ("_ms", "_s", "_n", "_kb", "_mib", "_per_s", "_per_report", "_per_h")


def book(tmp_path: Path, *only: str) -> Book:
    return Book(QUICK, tmp_path, lambda _: None, frozenset(only))


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_percentile_of_one_sample_is_that_sample() -> None:
    assert percentile([7.0], 0.99) == 7.0


def test_samples_stand_beside_the_median_of_their_floor() -> None:
    fields = of_samples("x_ms", [2.0, 4.0, 6.0], floor=[1.0, 2.0, 9.0]).fields
    assert fields == {"p50": 4, "p95": 6, "p99": 6, "max": 6, "n": 3, "floor": 2, "floor_p99": 9, "ratio": 2}


def test_a_floor_of_nothing_has_no_ratio() -> None:
    assert of_value("x_n", 5.0, floor=0).fields == {"value": 5, "n": 1, "floor": 0}


def test_a_figure_without_samples_is_not_measured() -> None:
    with pytest.raises(NotMeasured, match="x_ms: expected samples, got none"):
        of_samples("x_ms", [])


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("storm_kill_incomplete_n", {"value": 0}, True),
        ("storm_kill_incomplete_n", {"value": 1}, False),
        ("stored_per_s", {"value": 8500}, True),
        ("stored_per_s", {"value": 8499}, False),
        ("alarm_to_bells_ms", {"ratio": 2, "p99": 15.1}, False),
        ("alarm_to_bells_ms", {"p99": 3}, False),  # without a floor nothing is known of the ratio
        ("presses_n", {"value": 3}, None),
    ],
)
def test_a_target_is_met_if_every_bound_is_kept(name: str, fields: dict[str, float | str], expected: bool | None) -> None:
    assert met(Figure(name, fields)) is expected


def test_every_figure_is_measured_in_one_family_and_ends_in_its_unit() -> None:
    names = [name for family in (engine, updating, crowded, storm, field, boards, workshop, chaos) for name in family.NAMES]
    assert len(names) == len(set(names))
    assert [name for name in names if not name.endswith(UNITS)] == []
    assert TARGETS.keys() <= set(names)


def test_what_fails_is_entered_and_the_run_goes_on(tmp_path: Path) -> None:
    run = book(tmp_path)
    with run.measuring("storm_500_s", "storm_kill_incomplete_n"):
        run.add(of_value("storm_500_s", 0.5))
        raise PartFailed("engine: gone")
    assert run.failures == {"storm_kill_incomplete_n": "engine: gone"}


def test_a_failure_inside_a_group_keeps_its_words(tmp_path: Path) -> None:
    run = book(tmp_path)
    with run.measuring("storm_500_s"):
        raise ExceptionGroup("boards", [ConnectionResetError("lost"), TimeoutError()])
    assert run.failures == {"storm_500_s": "lost; TimeoutError"}


def test_a_bug_of_the_bench_is_no_failed_measurement(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="typing mistake"), book(tmp_path).measuring("storm_500_s"):
        raise KeyError("typing mistake")


def test_only_what_is_asked_for_is_kept(tmp_path: Path) -> None:
    run = book(tmp_path, "stored_per_s")
    run.add(of_value("stored_per_s", 9000))
    run.add(of_value("cpu_us_per_report", 90))
    with run.measuring("written_bytes_per_report"):
        raise NotMeasured("no disk")
    assert [figure.name for figure in run.figures] == ["stored_per_s"]
    assert run.failures == {}


def test_json_has_figures_failures_and_circumstances(tmp_path: Path) -> None:
    run = book(tmp_path)
    run.add(of_samples("alarm_to_bells_ms", [3.0, 4.0], floor=[2.0]))
    with run.measuring("stored_per_s"):
        raise NotMeasured("no broker")
    report.write(run, tmp_path / "bench.json", quick=True)
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["figures"]["alarm_to_bells_ms"]["ratio"] == 1.5
    assert written["figures"]["alarm_to_bells_ms"]["met"] is True
    assert written["failures"] == {"stored_per_s": "no broker"}
    assert written["quick"] is True
    assert written.keys() >= {"machine", "date", "commit", "broker"}


def test_table_has_each_figure_with_target_and_verdict(tmp_path: Path) -> None:
    run = book(tmp_path)
    run.add(of_value("engine_memory_mib", 61.0))
    with run.measuring("stored_per_s"):
        raise NotMeasured("no broker")
    out = StringIO()
    Console(file=out, width=report.WIDTH).print(report.table(run))
    lines = out.getvalue().splitlines()
    assert any("engine_memory_mib" in line and "≤ 60" in line and "missed" in line for line in lines)
    assert any("stored_per_s" in line and "not measured" in line for line in lines)
    assert report.failures(run) == ["not measured: stored_per_s: no broker"]


def test_rounds_of_chaos_go_on_at_any_seed_and_each_says_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []

    async def played(_book: Book, seed: int) -> dict[str, Any]:
        seeds.append(seed)
        return dict.fromkeys(chaos.COUNTED, 1) | {"events_lost_n": int(seed == 12), "mute_groups": []}

    monkeypatch.setattr(chaos, "_round", played)
    told: list[str] = []
    asked = Book(replace(QUICK, chaos_rounds=3), tmp_path, told.append, frozenset(), 11)
    asyncio.run(chaos.measure(asked))
    assert seeds == [11, 12, 13]
    assert {figure.name: figure.fields["value"] for figure in asked.figures} == {
        "presses_n": 3,
        "events_lost_n": 1,
        "incidents_doubled_n": 3,
    }
    assert asked.figures[0].fields["rounds"] == 3
    assert any("seed 12: presses_n 1, events_lost_n 1" in line for line in told), "a run that is stopped has shown it"


def test_a_crowd_that_changes_nothing_is_not_told_from_noise() -> None:
    alone, beside = [[1.0, 2.0], [1.0, 2.2]] * 4, [[1.0, 2.2], [1.0, 2.0]] * 4
    found = crowded.compared(alone, beside, [Counts(220, 10, 1), Counts(220, 20, 2)])
    assert (found.fields["p99_ratio"], found.fields["noise"], found.fields["over_noise"]) == (1, 1, 1)
    assert (found.fields["events"], found.fields["papers"]) == (30, 3)
    assert met(found)


def test_a_crowd_that_makes_each_round_slower_is() -> None:
    alone = [[2.0 + number / 100] * 100 for number in range(8)]
    beside = [[ms * 1.1 for ms in samples] for samples in alone]
    assert crowded.compared(alone, beside, []).fields["p99_ratio"] == pytest.approx(1.1, rel=0.01)
    assert not met(crowded.compared(alone, beside, []))
    assert met(crowded.compared(beside, alone, []))


def test_rounds_that_differ_too_much_among_themselves_show_nothing() -> None:
    calm = [[2.0] * 100] * 7
    found = crowded.compared([*calm, [9.0] * 100], [*calm, [2.0] * 100], [])
    assert (found.fields["p99_ratio"], found.fields["noise"]) == (pytest.approx(0.22, abs=0.01), 4.5)
    assert not met(found)
