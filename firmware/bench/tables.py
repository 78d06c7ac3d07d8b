"""Boards as the technician reads them."""

from collections.abc import Iterable
from datetime import datetime

from protocol.boards import BoardState


def listed(boards: Iterable[BoardState]) -> list[str]:
    """A line for each board, under a head."""
    lines = [f"{'board':<10} {'state':<8} {'signal':>8} {'last heard':<17} {'firmware':<10} {'update':<12} {'certificate':<12} faults"]
    for one in boards:
        signal = "-" if one.rssi is None else f"{one.rssi} dBm"
        certificate = "-" if one.generation is None else f"{one.generation}{' revoked' if one.revoked else ''}"
        about = f"{one.id:<10} {one.state:<8} {signal:>8} {_when(one.last_seen_ms):<17} {one.firmware or '-':<10}"
        update = one.updating.partition(" ")[0] or "-"
        lines.append(f"{about} {update:<12} {certificate:<12} {'; '.join(one.faults) or '-'}")
    return lines


def shown(one: BoardState) -> list[str]:
    """Everything about one board."""
    mains = "-" if one.mains is None else "on" if one.mains else "off"
    battery = "-" if one.battery is None else f"{one.battery} %"
    rights = ", revoked" if one.revoked else ""
    rows = {
        "board": f"{one.id} ({one.kind}), {one.place}, group {one.group or '-'}",
        "state": f"{one.state}, heard last {_when(one.last_seen_ms)}",
        "signal": "-" if one.rssi is None else f"{one.rssi} dBm",
        "power": f"mains {mains}, battery {battery}",
        "firmware": f"{one.firmware or '-'} ({one.app or 'not from a bundle'})",
        "update": one.updating or "-",
        "configured": _change(one) if one.change else "-",
        "faults": "; ".join(one.faults) or "-",
        "certificate": "-" if one.generation is None else f"generation {one.generation}{rights}, board {one.mac}",
    }
    if told := one.flashed:
        program = f"{told.board}, MicroPython {told.image}, program {told.version} ({told.program})"
        rows["flashed"] = f"{_when(one.flashed_ms)} by {one.flashed_by}: {program}"
        rows["tested"] = ", ".join(f"{point} {how}" for point, how in told.tested.items())
    return [f"{name:<12} {words}" for name, words in rows.items()]


def _change(one: BoardState) -> str:
    change = one.change
    assert change is not None  # noqa: S101  # of `shown`
    told = {"ordered": "no answer yet", "missed": "the order did not reach the board", "refused": f"refused: {change.words}"}
    return f"{_when(change.at_ms)} by {change.by}: {', '.join(change.keys)}: {told.get(change.state, change.words or change.state)}"


def _when(at_ms: int | None) -> str:
    return "never" if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000):%d/%m/%Y %H:%M}"
