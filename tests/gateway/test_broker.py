"""The broker that `keng broker` becomes, mosquitto and the embedded one alike, asked by real clients."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import broker as brokers
from gateway.broker import BrokerMissing, Choice
from gateway.identity import embedded
from gateway.mqtt import Account
from gateway.settings import Broker
from protocol.topics import HOST
from tests.gateway.brokers import DEMO, ROOT, WAIT_S, Running, Talker, refusal, running, settings_file, stop, wait_until

EVENT = "keng/1/xa-mau/dev/H03-01/event"
ENGINE_READS = "keng/1/xa-mau/dev/+/event"


@pytest.fixture(scope="module", params=["mosquitto", "embedded"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    # A data directory as people name them: spaces and letters of their own.
    folder = tmp_path_factory.mktemp("data") / "Xã Mẫu 1"
    folder.mkdir()
    with running(folder, request.param) as found:
        yield found


@pytest.fixture(scope="module")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("mosquitto"), "mosquitto") as found:
        yield found


def with_password(account: Account, password: str) -> Account:
    return Account(account.host, account.port, account.user, password)


def test_every_user_is_let_in(broker: Running) -> None:
    assert {user: refusal(account) for user, account in broker.accounts.users.items()} == dict.fromkeys(broker.accounts.users, "")


@pytest.mark.parametrize("user", ["engine", "H03-01"])
@pytest.mark.parametrize("password", ["", "wrong", "another's"])
def test_a_wrong_password_is_refused(broker: Running, user: str, password: str) -> None:
    word = broker.accounts.account("H03-02").password if password == "another's" else password
    assert "wrong" in refusal(with_password(broker.accounts.account(user), word))


def test_a_board_is_not_let_in_where_programs_connect(broker: Running) -> None:
    board = broker.accounts.account("H03-01")
    assert "wrong" in refusal(Account(board.host, broker.ports[1], board.user, board.password))


def test_programs_hear_boards_over_the_two_listeners(broker: Running) -> None:
    with Talker(broker.accounts.account("engine")) as engine, Talker(broker.accounts.account("H03-01")) as board:
        engine.subscribe(ENGINE_READS)
        board.publish(EVENT, b"press")
        engine.wait_for(b"press")


def test_the_longest_payload_passes_and_a_longer_one_costs_its_sender_the_connection(broker: Running) -> None:
    with Talker(broker.accounts.account("engine")) as engine, Talker(broker.accounts.account("H03-01")) as board:
        engine.subscribe(ENGINE_READS)
        board.publish(EVENT, b"x" * HOST)
        engine.wait_for(b"x" * HOST)
        board.send(EVENT, b"y" * (HOST + 2000))
        assert board.lost.wait(WAIT_S)
        assert not engine.lost.is_set()


def test_several_observers_watch_at_once(broker: Running) -> None:
    account = broker.accounts.account("observer")
    with Talker(account, "first") as first, Talker(account, "second") as second, Talker(broker.accounts.account("engine")) as engine:
        first.subscribe("keng/1/xa-mau/#")
        second.subscribe("keng/1/xa-mau/#")
        engine.publish("keng/1/xa-mau/tick", b"marker")
        first.wait_for(b"marker")
        second.wait_for(b"marker")
        assert not first.lost.is_set()


def test_a_board_cannot_throw_another_off_by_taking_its_client_id(mosquitto: Running) -> None:
    with Talker(mosquitto.accounts.account("H03-02")) as honest, Talker(mosquitto.accounts.account("H03-01"), "H03-02") as thief:
        honest.subscribe("keng/1/xa-mau/tick")
        thief.subscribe("keng/1/xa-mau/tick")
        with Talker(mosquitto.accounts.account("engine")) as engine:
            engine.publish("keng/1/xa-mau/tick", b"marker")
        honest.wait_for(b"marker")
        thief.wait_for(b"marker")
        assert not honest.lost.is_set()


def test_a_board_that_comes_back_takes_over_its_own_old_link(mosquitto: Running) -> None:
    account = mosquitto.accounts.account("H03-01")
    with Talker(account, "before") as before, Talker(account, "after") as after:
        assert before.lost.wait(WAIT_S)
        assert not after.lost.is_set()


def test_keng_broker_becomes_mosquitto(mosquitto: Running) -> None:
    program = Path(f"/proc/{mosquitto.process.pid}/cmdline").read_bytes().split(b"\0")[0]
    assert program.endswith(b"/mosquitto")


def test_mosquitto_finds_nothing_strange_in_its_configuration(mosquitto: Running) -> None:
    about = [line for line in mosquitto.log.read_text().splitlines() if "Error" in line or "Warning" in line]
    assert [line for line in about if "should not be run as root" not in line] == []


def test_retained_messages_survive_a_clean_stop_of_mosquitto(tmp_path: Path) -> None:
    state = "keng/1/xa-mau/dev/H03-01/state"
    with running(tmp_path, "mosquitto") as first:
        with Talker(first.accounts.account("H03-01")) as board:
            board.retain(state, b"birth")
        stop(first.process)
    with running(tmp_path, "mosquitto") as second, Talker(second.accounts.account("engine")) as engine:
        engine.subscribe("keng/1/xa-mau/dev/+/state")
        engine.wait_for(b"birth")


def test_after_a_change_of_the_site_sighup_takes_over_boards_and_rights_and_cuts_nobody_else(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    whole = DEMO.read_text(encoding="utf-8")
    site.write_text(without_board(whole, "H03-02"), encoding="utf-8")
    with running(tmp_path, "mosquitto", site) as found, Talker(found.accounts.account("engine")) as engine:
        engine.subscribe(ENGINE_READS)
        with Talker(found.accounts.account("H03-01")) as leaving, Talker(found.accounts.account("H03-03")) as staying:
            site.write_text(without_board(whole, "H03-01"), encoding="utf-8")
            words = ["--site", str(site), "--settings", str(found.settings), "--data", str(found.data)]
            subprocess.run([sys.executable, "-m", "keng", "broker", "files", *words], cwd=ROOT, check=True, timeout=60)
            found.process.send_signal(signal.SIGHUP)
            wait_until(lambda: refusal(found.accounts.account("H03-02")) == "", "the new board is let in")
            leaving.send(EVENT, b"from who left")
            assert "wrong" in refusal(found.accounts.account("H03-01"))
            staying.publish("keng/1/xa-mau/dev/H03-03/event", b"marker")
            assert engine.topics_before(b"marker") == set()
            assert not staying.lost.is_set()
            assert not engine.lost.is_set()


def without_board(text: str, board: str) -> str:
    table = f'[[boards]]\nid = "{board}"\nkind = "household"\nplace = "{board}"\n'
    assert table in text
    return text.replace(table, "")


def test_sigterm_ends_it(tmp_path: Path) -> None:
    for kind in ("mosquitto", "embedded"):
        folder = tmp_path / kind
        folder.mkdir()
        with running(folder, kind) as found:
            stop(found.process)
            assert brokers.taken("127.0.0.1", found.ports[0]) == ""


def test_the_embedded_broker_prints_its_limits(tmp_path: Path) -> None:
    with running(tmp_path, "embedded") as found:
        printed = found.log.read_text()
    assert [limit for limit in embedded.LIMITS if limit not in printed] == []
    assert f"embedded on 127.0.0.1, boards on port {found.ports[0]}" in printed


def test_a_port_that_is_taken_is_named_with_the_setting_that_changes_it(mosquitto: Running, tmp_path: Path) -> None:
    for kind in ("mosquitto", "embedded"):
        settings = settings_file(tmp_path / "keng.toml", kind, mosquitto.ports)
        command = [sys.executable, "-m", "keng", "broker", "--site", str(DEMO), "--settings", str(settings), "--data", str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            f"keng broker: 127.0.0.1:{mosquitto.ports[0]}: another program listens there; another port: [broker] port in the settings file",
            f"keng broker: 127.0.0.1:{mosquitto.ports[1]}: another program listens there; "
            "another port: [broker] programs_port in the settings file",
        ]


def program(folder: Path) -> Path:
    folder.mkdir()
    path = folder / "mosquitto"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_mosquitto_is_taken_where_it_is_installed(tmp_path: Path) -> None:
    found = program(tmp_path / "sbin")
    search = os.pathsep.join([str(tmp_path / "empty"), str(found.parent)])
    assert brokers.choose(Broker(), search=search) == Choice("mosquitto", str(found))
    assert brokers.choose(Broker(kind="mosquitto"), search=search) == Choice("mosquitto", str(found))


def test_the_embedded_broker_is_taken_where_mosquitto_is_not_or_where_it_is_asked_for(tmp_path: Path) -> None:
    assert brokers.choose(Broker(), search=str(tmp_path)) == Choice("embedded")
    assert brokers.choose(Broker(kind="embedded"), search=str(program(tmp_path / "sbin").parent)) == Choice("embedded")


def test_for_an_external_broker_none_is_looked_for(tmp_path: Path) -> None:
    assert brokers.choose(Broker(kind="external"), search=str(tmp_path)) == Choice("external")


def test_where_there_is_no_broker_both_remedies_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iotcore", None)
    with pytest.raises(BrokerMissing, match=r"remedy: apt install mosquitto or pip install 'keng\[embedded\]'$"):
        brokers.choose(Broker(), search=str(tmp_path))
    with pytest.raises(BrokerMissing, match=r"remedy: apt install mosquitto$"):
        brokers.choose(Broker(kind="mosquitto"), search=str(tmp_path))
    with pytest.raises(BrokerMissing, match=r"remedy: pip install 'keng\[embedded\]'$"):
        brokers.choose(Broker(kind="embedded"), search=str(tmp_path))
