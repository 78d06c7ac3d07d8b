"""The engine's numbers, asked for as Prometheus does."""

from pathlib import Path

import httpx
import pytest
from brokers import wait_until
from engines import Town, free_port
from prometheus_client.parser import text_string_to_metric_families
from sia_receivers import ACCOUNT, in_a_thread

DOCS = Path(__file__).parents[2] / "docs/metrics.md"


@pytest.fixture
def town(town):
    town.settings = {"metrics": {"port": free_port()}}
    return town


class Scrape:
    """What the engine says now."""

    def __init__(self, town: Town) -> None:
        text = httpx.get(f"http://127.0.0.1:{town.settings['metrics']['port']}/metrics").text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}

    def value(self, name: str, **labels: str) -> float | None:
        samples = [sample for family in self.families.values() for sample in family.samples]
        return next((sample.value for sample in samples if sample.name == name and sample.labels == labels), None)


def test_an_alarm_is_counted_where_it_goes(town):
    with in_a_thread("mute") as police:
        town.settings["receivers"] = [{"name": "police", "host": "127.0.0.1", "port": police.port, "account": ACCOUNT, "timeout_s": 0.5}]
        town.start()
        town.birth("H03-07")
        town.send("dev/H03-08/event", b"rubbish")
        event = town.press("H03-07", 1)
        wait_until(lambda: town.receipts("H03-07", event), "a receipt")
        found = Scrape(town)
        assert found.value("keng_incidents_unresolved", kind="fire", state="open") == 1
        assert found.value("keng_incidents_total") == 1
        assert found.value("keng_boards", state="online") == 1
        assert found.value("keng_bells", state="waiting") == 12
        assert found.value("keng_deliveries", channel="sia:police", state="waiting") == 1
        assert (found.value("keng_messages_total", kind="event"), found.value("keng_messages_total", kind="state")) == (1, 1)
        assert found.value("keng_rubbish_total") == 1
        assert found.value("keng_broker_connected") == 1
        assert found.value("keng_decision_seconds_count") >= 3
        assert found.value("keng_commit_seconds_count") >= 2
        assert 10e6 < found.value("process_resident_memory_bytes") < 500e6
        assert found.value("keng_database_bytes", file="keng.db") > 0
        wait_until(lambda: Scrape(town).value("keng_fault", key="sia:police") == 1, "the fault of a mute receiver")


def test_docs_list_each_metric_and_no_other(town):
    town.start()
    rows = [line.split("|") for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith(("| `keng", "| `process"))]
    documented = {row[1].strip(" `"): set(row[2].replace("`", "").replace(" ", "").split(",")) - {""} for row in rows}
    families = Scrape(town).families
    # The parser takes _total off a counter's name.
    assert {name + ("_total" if family.type == "counter" else "") for name, family in families.items()} == set(documented)
    for name, family in families.items():
        known = documented[name + ("_total" if family.type == "counter" else "")]
        assert all(set(sample.labels) <= known for sample in family.samples)


def test_a_port_that_is_taken_ends_nothing(town):
    town.settings["metrics"]["port"] = town.port
    town.start()
    event = town.press("H03-07", 1)
    wait_until(lambda: town.receipts("H03-07", event), "a receipt")
    assert "no metrics at 127.0.0.1" in town.log.read_text()


def test_without_a_port_nothing_listens(town):
    port = town.settings.pop("metrics")["port"]
    town.start()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{port}/metrics")
