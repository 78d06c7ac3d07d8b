"""Who may publish and read which topics: the paragraph "Rights" of the wire, as data. Topics may hold the wildcards + and #."""

from collections.abc import Mapping
from typing import NamedTuple

from protocol import topics
from protocol.site import Site


class Rights(NamedTuple):
    """Topic filters of one user."""

    publish: tuple[str, ...]
    read: tuple[str, ...]


def board(site: str, device: str, *groups: str) -> Rights:
    """A board speaks for itself alone, and hears what concerns it and its group; while it moves to another, both."""
    return Rights(
        publish=(
            *(topics.device(site, device, leaf) for leaf in topics.FROM_BOARD),
            *(topics.call(site, group, device) for group in groups),
        ),
        read=(
            *(topics.device(site, device, leaf) for leaf in topics.TO_BOARD),
            *(topics.call(site, group, "+") for group in groups),
            *(topics.ring(site, group) for group in groups),
            topics.tick(site),
            topics.gateway(site),
        ),
    )


def engine(site: str) -> Rights:
    """The engine hears every board, call and desk. It hears ticks and its own retained topics too: another engine may be at work."""
    heard = (topics.tick(site), topics.gateway(site), topics.incident(site, "+"))
    return Rights(
        publish=(
            *(topics.device(site, "+", leaf) for leaf in topics.TO_BOARD),
            topics.ring(site, "+"),
            *heard,
            topics.desk(site, "+", "answer"),
            topics.bench(site, "+", "answer"),
        ),
        read=(
            *(topics.device(site, "+", leaf) for leaf in topics.FROM_BOARD),
            topics.call(site, "+", "+"),
            *heard,
            topics.desk(site, "+", "command"),
            topics.desk(site, "+", "alive"),
            topics.bench(site, "+", "command"),
        ),
    )


def console(site: str) -> Rights:
    """The desk asks the engine and shows what the engine says: it speaks to no board."""
    return Rights(
        publish=(topics.desk(site, "+", "command"), topics.desk(site, "+", "alive")),
        read=(topics.incident(site, "+"), topics.gateway(site), topics.tick(site), topics.desk(site, "+", "answer")),
    )


def bench(site: str) -> Rights:
    """The technician's bench asks the engine about boards, on topics where nothing else is asked, and sees boards come and go. It speaks
    to no board, and in no desk's name.
    """
    return Rights(
        publish=(topics.bench(site, "+", "command"),),
        read=(topics.bench(site, "+", "answer"), topics.device(site, "+", "state"), topics.gateway(site), topics.tick(site)),
    )


def observer(site: str) -> Rights:
    """Reads everything, changes nothing: for a debugger, a recorder, a third party's programs."""
    return Rights(publish=(), read=(topics.PREFIX + site + "/#",))


def programs(site: Site) -> dict[str, Rights]:
    """Every program's rights, by user."""
    return {"engine": engine(site.id), "console": console(site.id), "bench": bench(site.id), "observer": observer(site.id)}


def boards(site: Site, users: Mapping[str, str] | None = None, settled: Mapping[str, str] | None = None) -> dict[str, Rights]:
    """Every board's rights, by user. `users`: device -> user, of those that have one; None: each has its own name. `settled`: device ->
    the group in which it has shown itself last: a board that does not know its group in the site file yet must still hear the one before.
    """
    rights = {}
    for known in site.boards:
        user = known.id if users is None else users.get(known.id)
        groups = {site.group_of(known.id) or "", (settled or {}).get(known.id) or ""} & {group.id for group in site.groups}
        if user:
            rights[user] = board(site.id, known.id, *sorted(groups))
    return rights
