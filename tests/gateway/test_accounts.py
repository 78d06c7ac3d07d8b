"""The broker's users and their passwords."""

import json
from pathlib import Path

import pytest

from gateway.identity import accounts, mosquitto
from gateway.settings import Broker
from protocol import site
from protocol.site import Site
from protocol.tomlfile import FileMistakes
from tests.gateway.brokers import DEMO

COMMUNE = site.load(DEMO)
BROKER = Broker(port=2000, programs_port=3000)


def with_boards(*boards: int) -> Site:
    return COMMUNE.model_copy(update={"boards": [COMMUNE.boards[index] for index in boards]})


def test_every_board_and_every_program_has_a_password_of_its_own(tmp_path: Path) -> None:
    users = accounts.ensure(tmp_path, COMMUNE, BROKER).users
    assert set(users) == {"engine", "console", "bench", "observer", *(board.id for board in COMMUNE.boards)}
    assert len({account.password for account in users.values()}) == len(users)
    assert all(len(account.password) >= 20 for account in users.values())


def test_boards_and_programs_have_their_ports(tmp_path: Path) -> None:
    found = accounts.ensure(tmp_path, COMMUNE, BROKER)
    assert {name: account.port for name, account in found.users.items() if account.port != 2000} == dict.fromkeys(
        ("engine", "console", "bench", "observer"), 3000
    )
    assert found.account("H03-07").host == "127.0.0.1"


def test_passwords_stay_over_restarts_and_a_new_port(tmp_path: Path) -> None:
    before = accounts.ensure(tmp_path, COMMUNE, BROKER)
    after = accounts.ensure(tmp_path, COMMUNE, Broker(port=2222))
    assert {n: a.password for n, a in after.users.items()} == {n: a.password for n, a in before.users.items()}
    assert after.account("H03-07").port == 2222
    assert accounts.load(tmp_path) == after


def test_a_new_board_gets_a_password_and_changes_no_other(tmp_path: Path) -> None:
    before = accounts.ensure(tmp_path, with_boards(0, 1), BROKER)
    after = accounts.ensure(tmp_path, with_boards(0, 1, 2), BROKER)
    assert set(after.users) - set(before.users) == {COMMUNE.boards[2].id}
    assert after.users.items() >= before.users.items()


def test_a_board_that_was_away_comes_back_with_its_password(tmp_path: Path) -> None:
    before = accounts.ensure(tmp_path, with_boards(0, 1), BROKER)
    away = accounts.ensure(tmp_path, with_boards(0), BROKER)
    assert COMMUNE.boards[1].id not in away.users
    assert accounts.ensure(tmp_path, with_boards(0, 1), BROKER) == before


def test_nobody_else_can_read_what_the_broker_needs(tmp_path: Path) -> None:
    found = accounts.ensure(tmp_path, COMMUNE, BROKER)
    folder = accounts.directory(tmp_path)
    mosquitto.write(folder, COMMUNE, BROKER, found, settled={}, certified=None)
    assert folder.stat().st_mode & 0o077 == 0
    files = list(folder.iterdir())
    assert len(files) == 7
    assert [file.name for file in files if file.stat().st_mode & 0o077] == []


def test_a_password_is_not_shown_by_accident(tmp_path: Path) -> None:
    found = accounts.ensure(tmp_path, COMMUNE, BROKER)
    assert found.account("engine").password not in repr(found)


def test_the_printed_accounts_are_a_file_for_another_part(tmp_path: Path) -> None:
    found = accounts.ensure(tmp_path, COMMUNE, BROKER)
    copy = tmp_path / "copy.json"
    copy.write_text(found.json())
    assert accounts.read(copy, Broker()) == found


def test_an_unknown_user_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(FileMistakes, match=r"expected the user 'H99', got .*H03-07"):
        accounts.ensure(tmp_path, COMMUNE, BROKER).account("H99")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "file: Invalid JSON"),
        ('{"users": {"engine": {}}}', "users.engine.password: Field required"),
        ('{"users": {"engine": {"password": ""}}}', "users.engine.password: String should have at least 1 character"),
        ('{"users": {"engine": {"password": "secret-word", "port": 0}}}', "users.engine.port: Input should be greater than or equal to 1"),
        ('{"user": {}}', "user: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_accounts_file_is_refused_without_showing_passwords(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "accounts.json"
    path.write_text(text)
    with pytest.raises(FileMistakes) as caught:
        accounts.read(path, BROKER)
    assert expected in str(caught.value)
    assert "secret-word" not in str(caught.value)


def test_for_an_external_broker_the_owner_writes_the_file(tmp_path: Path) -> None:
    external = Broker(kind="external", host="broker.example", port=1883)
    with pytest.raises(FileNotFoundError):
        accounts.ensure(tmp_path, COMMUNE, external)
    path = accounts.directory(tmp_path) / "accounts.json"
    text = json.dumps({"users": {"engine": {"password": "a"}, "console": {"password": "b", "host": "10.0.0.9", "port": 1884}}})
    path.write_text(text)
    found = accounts.ensure(tmp_path, COMMUNE, external)
    assert (found.account("engine").host, found.account("engine").port) == ("broker.example", 1883)
    assert (found.account("console").host, found.account("console").port) == ("10.0.0.9", 1884)
    assert path.read_text() == text
