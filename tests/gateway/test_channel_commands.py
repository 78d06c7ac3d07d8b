"""`keng channel prove` as a technician types it, with a broker that has rights and the real engine."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from brokers import ROOT, Running, running, stop, wait_until
from engines import Receiver
from typed import Done, keng

# The engine, which says sooner that nothing has arrived yet.
ENGINE = """
import keng
from gateway import workbench
workbench.PROVE_S = 4.0
keng.main()
"""


@pytest.fixture(scope="module")
def city() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, city: Receiver) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("gateway")
    with running(folder, "mosquitto") as found:
        with found.settings.open("a", encoding="utf-8") as settings:
            settings.write(f'\n[[webhooks]]\nname = "city"\nurl = "{city.url}"\n')
        command = [sys.executable, "-c", ENGINE, "engine", "--site", str(found.site), "--settings", str(found.settings)]
        with (folder / "engine.log").open("wb") as log:
            engine = subprocess.Popen([*command, "--data", str(found.data)], cwd=ROOT, stdout=log, stderr=log)
        try:
            yield found
        finally:
            stop(engine)


def prove(gateway: Running, channel: str, *words: str, by: str = "ky-thuat-1") -> Done:
    files = ("--site", gateway.site, "--settings", gateway.settings, "--data", gateway.data)
    return keng("channel", "prove", channel, "--by", by, *files, *words)


def test_a_channel_that_works_says_so_and_one_that_does_not_is_said_to_be_waited_for(gateway: Running, city: Receiver) -> None:
    done = prove(gateway, "webhook:city")
    assert done.stdout.startswith("webhook:city: works, proved at "), done.stderr
    assert [body["event"] for _, body in city.posted] == ["canary"]
    told = json.loads(prove(gateway, "webhook:city", "--json").stdout)
    assert (told["ok"], told["proved_ms"] is not None) == (True, True)
    city.gate.clear()
    try:
        done = prove(gateway, "webhook:city")
        assert done.returncode == 0
        assert "nothing has arrived yet" in done.stdout
    finally:
        city.gate.set()
    wait_until(lambda: len(city.posted) >= 3, "it arrives later")


@pytest.mark.parametrize(
    ("channel", "by", "words"),
    [
        ("webhook:town", "ky-thuat-1", "expected one of webhook:city, got webhook:town"),
        ("webhook:city", "chu-ho-03-08", "expected somebody with the role technician or chief, got "),
    ],
)
def test_what_it_refuses_it_says_in_a_line(gateway: Running, channel: str, by: str, words: str) -> None:
    done = prove(gateway, channel, by=by)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(prove(gateway, channel, "--json", by=by).stdout)["ok"] is False
