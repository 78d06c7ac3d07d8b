"""The engine's numbers for Prometheus, read from what it knows when somebody asks. docs/metrics.md lists them."""

import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.domain import incidents
from gateway.domain.situation import Situation
from gateway.exposition import Metric, labelled, single
from gateway.intake import Intake
from gateway.mqtt import Link
from gateway.rubbish import Rubbish
from gateway.serving import Serving
from gateway.store.store import Store

_STARTED_S = time.time()


@dataclass(frozen=True)
class Measured:
    """What is looked at."""

    version: str
    situation: Situation
    intake: Intake
    store: Store
    rubbish: Rubbish
    link: Link
    serving: Serving

    def metrics(self) -> list[Metric]:
        """All of them, as they are now. Takes a millisecond for 229 boards."""
        return [*self._commune(), *self._engine(), *_process(self.store.path)]

    def _commune(self) -> Iterable[Metric]:
        situation = self.situation
        boards = situation.devices.values()
        unresolved = incidents.unresolved(situation.incidents.values())
        told = [delivery for incident in situation.incidents.values() for delivery in incident.deliveries]
        yield labelled("keng_boards", "gauge", "Boards by what is known of them.", "state", _counted(board.state for board in boards))
        yield single("keng_boards_with_faults", "gauge", "Boards that report a fault.", sum(bool(board.faults) for board in boards))
        yield labelled("keng_fault", "gauge", "1 for each fault of the gateway itself.", "key", dict.fromkeys(situation.faults, 1))
        proved = {channel: canary.proved_ms / 1000 for channel, canary in situation.canaries.items() if canary.proved_ms is not None}
        yield labelled("keng_channel_proved_seconds", "gauge", "When something last got through a channel, Unix time.", "channel", proved)
        yield labelled(
            *("keng_incidents_unresolved", "gauge", "Incidents that are not resolved.", ("kind", "state")),
            _counted((incident.kind, incident.state) for incident in unresolved),
        )
        yield single("keng_incidents_total", "counter", "Incidents since the database was made.", situation.next_incident - 1)
        yield labelled(
            *("keng_bells", "gauge", "Bells of unresolved incidents by what is known of them.", "state"),
            _counted(bell.state for incident in unresolved for bell in incident.bells),
        )
        yield labelled(
            *("keng_deliveries", "gauge", "Messages about incidents that are not settled.", ("channel", "state")),
            _counted((delivery.channel, delivery.state) for delivery in told),
        )

        campaign = situation.campaign
        states = _counted(row.state for row in situation.updates.values()) if campaign and not campaign.is_over else {}
        yield labelled("keng_updates", "gauge", "Boards of the campaign of updates that is not over, by state.", "state", states)
        is_halted = campaign is not None and campaign.state == "halted"
        yield single("keng_updates_halted", "gauge", "1 while a campaign of updates is halted.", int(is_halted))

    def _engine(self) -> Iterable[Metric]:
        intake = self.intake
        yield labelled("keng_engine_info", "gauge", "1, with what runs.", ("version", "engine"), {(self.version, self.store.engine): 1})
        yield single("keng_broker_connected", "gauge", "1 while the broker can be reached.", int(self.link.up.is_set()))
        yield labelled("keng_messages_total", "counter", "Messages of boards and desks that could be read.", "kind", intake.taken)
        yield single("keng_rubbish_total", "counter", "Messages that nobody can read.", self.rubbish.total)
        yield single("keng_reports_dropped_total", "counter", "Reports that were dropped because too many waited.", intake.dropped_reports)
        yield labelled("keng_messages_waiting", "gauge", "Messages that are not decided on yet.", "kind", intake.waiting)
        pieces = {"served": self.serving.served, "refused": self.serving.refused, "dropped": self.serving.dropped}
        yield labelled("keng_fetches_total", "counter", "Pieces of updates that boards asked for.", "result", pieces)
        yield intake.decided.metric("keng_decision_seconds", "From taking a batch of facts to their receipts, the commit included.")
        yield self.store.commits.metric("keng_commit_seconds", "Transactions of the database.")


def _counted(values: Iterable[object]) -> dict[object, float]:
    return dict(Counter(values))


def _process(database: Path) -> Iterable[Metric]:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    files = (database, database.with_name(database.name + "-wal"))
    sizes = {file.name: file.stat().st_size for file in files if file.exists()}
    free = os.statvfs(database.parent)
    yield labelled("keng_database_bytes", "gauge", "The database and its log.", "file", sizes)
    yield single("keng_disk_free_bytes", "gauge", "What the database's disk has left.", free.f_bavail * free.f_frsize)
    yield single("process_resident_memory_bytes", "gauge", "Memory in use.", pages * os.sysconf("SC_PAGE_SIZE"))
    yield single("process_cpu_seconds_total", "counter", "Processor time used.", time.process_time())
    yield single("process_start_time_seconds", "gauge", "When this engine was started, Unix time.", _STARTED_S)
