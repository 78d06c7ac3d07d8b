"""What each figure must reach: the promises of docs/bench.md as bounds. A bound is shown beside its figure and asserted nowhere."""

from typing import Literal, NamedTuple, get_args

from protocol.site import Kind
from simulator.bench.figures import Figure


class Bound(NamedTuple):
    """A limit for one field of a figure."""

    field: str
    relation: Literal["≤", "≥"]
    limit: float

    def __str__(self) -> str:
        name = "" if self.field == "value" else f"{self.field} "
        return f"{name}{self.relation} {self.limit:,g}"


KINDS: tuple[Kind, ...] = get_args(Kind)

TARGETS: dict[str, tuple[Bound, ...]] = {
    "press_to_own_bell_ms": (Bound("p99", "≤", 150),),
    "press_to_all_bells_ms": (Bound("p99", "≤", 1000),),
    "press_to_console_ms": (Bound("p99", "≤", 1000),),
    "press_to_first_sms_ms": (Bound("max", "≤", 5000),),
    "silent_bell_named_ms": (Bound("max", "≤", 3000),),
    "lost_board_shown_s": (Bound("max", "≤", 90),),
    "alarm_to_bells_ms": (Bound("ratio", "≤", 2), Bound("p99", "≤", 15)),
    "alarm_to_webhook_ms": (Bound("ratio", "≤", 2.5), Bound("p99", "≤", 10)),
    "storm_500_s": (Bound("max", "≤", 0.8),),
    "storm_kill_incomplete_n": (Bound("value", "≤", 0),),
    "stored_per_s": (Bound("value", "≥", 8500),),
    "cpu_us_per_report": (Bound("value", "≤", 100),),
    "written_bytes_per_report": (Bound("value", "≤", 500),),
    "alarm_under_flood_ms": (Bound("p95", "≤", 1000), Bound("stored_per_s", "≥", 6400)),
    "alarm_during_update_ms": (Bound("ratio", "≤", 1.5), Bound("p99", "≤", 15)),
    "alarm_beside_console_ms": (Bound("over_noise", "≤", 1), Bound("noise", "≤", 1.5)),
    "engine_back_s": (Bound("max", "≤", 1.5),),
    "engine_memory_mib": (Bound("value", "≤", 60),),
    "engine_memory_50_mib": (Bound("value", "≤", 100),),
    "written_mib_per_h": (Bound("value", "≤", 20),),
    **{f"{kind}_device_heap_kb": (Bound("value", "≤", 100),) for kind in KINDS},
    **{f"{kind}_bundle_kb": (Bound("value", "≤", 96),) for kind in KINDS},
    **{f"{kind}_loop_stall_ms": (Bound("own_max", "≤", 100),) for kind in KINDS},
    "household_press_to_own_bell_ms": (Bound("p99", "≤", 150),),
    "fire_point_press_to_own_bell_ms": (Bound("p99", "≤", 150),),
    "sos_post_press_to_own_bell_ms": (Bound("p99", "≤", 1150),),  # it counts when it was held for 1 s
    "events_lost_n": (Bound("value", "≤", 0),),
    "incidents_doubled_n": (Bound("value", "≤", 0),),
}


def met(figure: Figure) -> bool | None:
    """Whether a figure keeps all its bounds; None where nothing was promised."""
    bounds = TARGETS.get(figure.name)
    return None if bounds is None else all(_kept(bound, figure.fields.get(bound.field)) for bound in bounds)


def _kept(bound: Bound, value: float | str | None) -> bool:
    if not isinstance(value, int | float):
        return False
    return value <= bound.limit if bound.relation == "≤" else value >= bound.limit
