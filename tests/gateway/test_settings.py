"""keng.toml: what it may say, and that each of its keys is explained."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway import settings
from gateway.settings import Broker, Console, Settings
from protocol import site
from protocol.tomlfile import FileMistakes

ROOT = Path(__file__).parents[2]
DEMO = site.load(ROOT / "simulator/communes/ngo-thu-5.toml")


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "keng.toml"
    path.write_text(text, encoding="utf-8")
    return settings.load(path)


def mistakes(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(FileMistakes) as caught:
        load(tmp_path, text)
    return [line.split("keng.toml:")[1] for line in caught.value.mistakes]


def test_no_file_and_an_empty_one_mean_the_defaults(tmp_path: Path) -> None:
    assert settings.load(None) == load(tmp_path, "") == Settings()


def test_programs_connect_one_port_above_the_boards() -> None:
    assert Broker(port=2000).port_of_programs == 2001
    assert Broker(port=2000, programs_port=3000).port_of_programs == 3000


def test_an_external_broker_has_one_port_for_all_unless_it_says_otherwise() -> None:
    assert Broker(kind="external", port=2000).port_of_programs == 2000
    assert Broker(kind="external", port=2000, programs_port=3000).port_of_programs == 3000


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    text = '[broker]\nkind = "emqx"\nport = 0\nprt = 1\n[console]\nlanguage = "fr"\n[[webhooks]]\nname = "a"\nurl = "ftp://x"\n'
    assert mistakes(tmp_path, text) == [
        "2: broker.kind: expected 'auto', 'mosquitto', 'embedded' or 'external', got 'emqx'",
        "3: broker.port: expected greater than or equal to 1, got 0",
        "4: broker.prt: expected no such key (a typing mistake?)",
        "6: console.language: expected 'vi' or 'en', got 'fr'",
        "9: webhooks[1].url: expected an address that starts with http:// or https://, got 'ftp://x'",
    ]


def test_two_webhooks_of_one_name_are_refused(tmp_path: Path) -> None:
    hook = '[[webhooks]]\nname = "city"\nurl = "http://127.0.0.1/"\n'
    assert mistakes(tmp_path, hook + hook) == ["5: webhooks[2].name: expected a name used only once, got 'city'"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.10", "broker.example", "127.0.0.1.example"])
def test_the_embedded_broker_listens_on_this_machine_only(tmp_path: Path, host: str) -> None:
    found = mistakes(tmp_path, f'[broker]\nkind = "embedded"\nhost = "{host}"\n')
    assert len(found) == 1
    assert found[0].startswith("3: broker.host: expected an address of this machine alone, such as 127.0.0.1, because")


@pytest.mark.parametrize("kind", ["auto", "mosquitto"])
def test_mosquitto_listens_on_an_address(tmp_path: Path, kind: str) -> None:
    found = load(tmp_path, f'[broker]\nkind = "{kind}"\nhost = "0.0.0.0"\n').broker
    assert (found.host, found.host_of_programs) == ("0.0.0.0", "127.0.0.1")
    wrong = mistakes(tmp_path, f'[broker]\nkind = "{kind}"\nhost = "gw.example"\n')
    assert wrong == ["3: broker.host: expected an IP address of this machine, such as 0.0.0.0 for all of them, got 'gw.example'"]


def test_an_external_broker_may_be_anywhere(tmp_path: Path) -> None:
    assert load(tmp_path, '[broker]\nkind = "external"\nhost = "broker.example"\n').broker.host == "broker.example"


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1"])
def test_the_console_without_tls_listens_on_this_machine_only(tmp_path: Path, host: str) -> None:
    found = mistakes(tmp_path, f'[console]\nhost = "{host}"\n')
    assert found == [
        "2: console.host: expected an address of this machine alone, such as 127.0.0.1, "
        "because anybody could read passwords on the network; for another address set certificate and key in [console], "
        f"got '{host}'"
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::"])
def test_the_metrics_are_for_this_machine_only(tmp_path: Path, host: str) -> None:
    (wrong,) = mistakes(tmp_path, f'[metrics]\nhost = "{host}"\nport = 9464\n')
    assert wrong.startswith("2: metrics.host: expected an address of this machine alone")


def test_nobody_waits_longer_than_90_s_to_believe_smoke(tmp_path: Path) -> None:
    assert load(tmp_path, "[engine]\nverify_s = 90\n").engine.verify_s == 90
    (wrong,) = mistakes(tmp_path, "[engine]\nverify_s = 91\n")
    assert wrong.startswith("2: engine.verify_s: ")


def test_localhost_becomes_its_address() -> None:
    assert Broker(host="localhost").host == Console(host="localhost").host == "127.0.0.1"
    assert Broker(host="::1").host == "::1"


@pytest.mark.parametrize("ports", ["port = 2000\nprograms_port = 2000", "port = 65535"])
def test_boards_and_programs_need_two_ports(tmp_path: Path, ports: str) -> None:
    assert "expected programs_port to be another port than port" in mistakes(tmp_path, f"[broker]\n{ports}\n")[0]


def test_a_site_with_nobody_on_duty_is_refused() -> None:
    settings.need_duty(DEMO)
    with pytest.raises(FileMistakes, match="expected somebody with the role duty"):
        settings.need_duty(DEMO.model_copy(update={"people": []}))


def test_with_a_certificate_the_console_may_listen_for_others(tmp_path: Path) -> None:
    assert Console(certificate=tmp_path / "c.pem", key=tmp_path / "k.pem", host="0.0.0.0").host == "0.0.0.0"
    with pytest.raises(ValueError, match="expected certificate and key, or neither"):
        Console(certificate=tmp_path / "c.pem")
    with pytest.raises(ValueError, match="expected an address of this machine alone"):
        Console(certificate=tmp_path / "c.pem", host="0.0.0.0")


def keys(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """(heading of the table in docs/settings.md, key) of every setting."""
    for table, field in model.model_fields.items():
        inner = field.annotation
        repeated = not isinstance(inner, type) or not issubclass(inner, BaseModel)
        rows = inner.__args__[0] if repeated else inner
        yield from ((f"[[{table}]]" if repeated else f"[{table}]", key) for key in rows.model_fields)


def test_docs_explain_each_setting_and_no_other() -> None:
    sections = (ROOT / "docs/settings.md").read_text(encoding="utf-8").split("\n## ")[1:]
    documented = {
        (section.splitlines()[0].strip("` "), line.split("`")[1])
        for section in sections
        for line in section.splitlines()
        if line.startswith("| `")
    }
    assert documented == set(keys(Settings))


def test_the_example_in_the_docs_is_a_right_file(tmp_path: Path) -> None:
    text = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert load(tmp_path, text.split("```toml\n")[1].split("```")[0]) != Settings()


RECEIVER = '[[receivers]]\nname = "%s"\nhost = "10.0.0.1"\nport = 1\naccount = "1001"\n'


@pytest.mark.parametrize(
    ("fallbacks", "lines"),
    [
        ({"a": "b", "b": None}, []),
        ({"a": "b", "b": None, "c": "d", "d": None}, []),
        ({"a": "a"}, [6]),
        ({"a": "x"}, [6]),
        ({"a": "b", "b": "a"}, [6, 12]),
        ({"a": "b", "b": None, "c": "b"}, [17]),
    ],
)
def test_a_fallback_is_another_receiver_and_of_one_alone(tmp_path: Path, fallbacks: dict[str, str | None], lines: list[int]) -> None:
    text = "".join(RECEIVER % name + (f'fallback = "{fallback}"\n' if fallback else "") for name, fallback in fallbacks.items())
    if lines:
        found = mistakes(tmp_path, text)
        assert [int(line.split(":")[0]) for line in found] == lines
        assert all("expected the name of another receiver" in line for line in found)
    else:
        assert len(load(tmp_path, text).receivers) == len(fallbacks)


@pytest.mark.parametrize(
    ("key", "value"), [("account", '"12"'), ("account", '"12G4"'), ("host", '"a..b"'), ("line_number", '""'), ("timeout_s", "0")]
)
def test_a_receiver_that_nothing_can_be_sent_to_is_refused(tmp_path: Path, key: str, value: str) -> None:
    rows = {"name": '"a"', "host": '"h"', "port": "1", "account": '"1001"'} | {key: value}
    found = mistakes(tmp_path, "[[receivers]]\n" + "".join(f"{name} = {what}\n" for name, what in rows.items()))
    assert len(found) == 1
    assert f"receivers[1].{key}: expected" in found[0]
