"""A board that moves to another group has the rights of both until it shows the new one, and nobody else notices."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commune import World

from gateway import broker as brokers
from gateway.domain import moves
from gateway.mqtt import Account
from protocol.messages import Birth
from tests.gateway.brokers import DEMO, ROOT, Running, Talker, certificate_of, running, wait_until

BASE = "keng/1/xa-mau/"
BEFORE, AFTER = "TLG-03", "TLG-04"
BOARD, NEIGHBOUR = "H03-02", "H03-01"
BIRTH = {"life": "9c41f2aa", "boot": 1, "kind": "household", "fw": "1.0.0", "reset": "power"}


def moving() -> World:
    """A commune that has known H03-02 in another group, from which the site file has moved it."""
    world = World()
    world.situation.device(BOARD).settled = "DCC-N5"
    return world


def test_a_birth_with_the_new_group_settles_a_board() -> None:
    world = moving()
    world.born(BOARD)
    assert (world.effects.moved, world.situation.device(BOARD).settled) == ([BOARD], BEFORE)
    world.born(BOARD)
    assert world.effects.moved == []


def test_a_birth_that_names_a_group_which_is_not_the_boards_changes_nothing() -> None:
    """Else a board could give itself the rights of any group."""
    world = moving()
    for group in ("DCC-N5", "TLG-99"):
        world.born(BOARD, group=group)
        assert (world.effects.moved, world.situation.device(BOARD).settled) == ([], "DCC-N5")


def test_the_first_birth_of_a_new_board_takes_no_rights() -> None:
    world = World()
    world.born(BOARD)
    assert (world.effects.moved, world.situation.device(BOARD).settled) == ([], BEFORE)


@pytest.mark.parametrize("device", [NEIGHBOUR, "DCC-017"], ids=["in the new group", "in the old group"])
def test_nothing_is_taken_while_either_group_has_an_incident(device: str) -> None:
    world = moving()
    world.press(device)
    world.born(BOARD)
    with world.turn() as turn:
        moves.settle_all(turn)
    assert (world.effects.moved, world.situation.device(BOARD).settled) == ([], "DCC-N5")
    assert world.command("resolve") == ""
    with world.turn() as turn:
        moves.settle_all(turn)
    assert (world.effects.moved, world.situation.device(BOARD).settled) == ([BOARD], BEFORE)


class Commune:
    """Broker and engine on a site file that can be changed, as services do."""

    def __init__(self, broker: Running) -> None:
        self.broker = broker
        self._files = ["--site", str(broker.site), "--settings", str(broker.settings), "--data", str(broker.data)]
        self._engine: subprocess.Popen[bytes] | None = None

    def start_engine(self) -> None:
        self.stop_engine()
        with (self.broker.data / "engine.log").open("ab") as log:
            self._engine = subprocess.Popen([sys.executable, "-m", "keng", "engine", *self._files], cwd=ROOT, stdout=log, stderr=log)

    def stop_engine(self) -> None:
        if self._engine:
            self._engine.terminate()
            self._engine.wait()

    def reload_broker(self) -> None:
        """What `systemctl reload keng-broker` does."""
        subprocess.run([sys.executable, "-m", "keng", "broker", "files", *self._files], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        assert brokers.reload(self.broker.data)


@pytest.fixture
def commune(tmp_path: Path) -> Iterator[Commune]:
    site = tmp_path / "site.toml"
    site.write_text(DEMO.read_text(encoding="utf-8"), encoding="utf-8")
    with running(tmp_path, "mosquitto", site, certified=(NEIGHBOUR, BOARD)) as broker:
        found = Commune(broker)
        try:
            yield found
        finally:
            found.stop_engine()


def test_a_board_that_moves_keeps_both_groups_until_it_shows_the_new_one_and_nobody_is_cut_off(commune: Commune) -> None:
    broker = commune.broker
    observer = Talker(broker.accounts.account("observer"))
    boards = [
        Talker(Account("127.0.0.1", broker.ports[0], "any", ""), certificate=certificate_of(broker.data, f"{name}.1"))
        for name in (BOARD, NEIGHBOUR)
    ]
    commune.start_engine()
    with observer, boards[0] as board, boards[1] as neighbour:
        observer.subscribe(BASE + "#")
        board.subscribe(*(f"{BASE}group/{group}/call/+" for group in (BEFORE, AFTER)), f"{BASE}dev/{BOARD}/hello")
        neighbour.subscribe(f"{BASE}group/{BEFORE}/call/+")
        _is_born(board, BEFORE)

        text = broker.site.read_text(encoding="utf-8")
        there = f'id = "{BOARD}"\ngroup = "{BEFORE}"'
        assert there in text
        group = f'[[groups]]\nid = "{AFTER}"\nname = "Tổ liên gia 04"\n\n[[groups]]'
        text = text.replace(there, f'id = "{BOARD}"\ngroup = "{AFTER}"').replace("[[groups]]", group, 1)
        broker.site.write_text(text, encoding="utf-8")
        commune.reload_broker()
        commune.start_engine()
        wait_until(lambda: _calls(board, observer, BEFORE) and _calls(board, observer, AFTER), "the rights of both groups")

        _is_born(board, AFTER)
        wait_until(lambda: not _calls(board, observer, BEFORE), "the end of the rights in the old group")
        assert _calls(board, observer, AFTER)
        neighbour.publish(f"{BASE}group/{BEFORE}/call/{NEIGHBOUR}", b"of the old group")
        neighbour.wait_for(b"of the old group")
        observer.wait_for(b"of the old group")
        assert b"of the old group" not in [payload for _, payload in board.received]
        assert not [one for one in (observer, board, neighbour) if one.lost.is_set()]


def _is_born(board: Talker, group: str) -> None:
    """Say a birth until the engine answers one."""
    before = len(board.received)

    def answered() -> bool:
        board.retain(f"{BASE}dev/{BOARD}/state", Birth.model_validate(BIRTH | {"group": group}).payload())
        return any(topic.endswith("/hello") for topic, _ in board.received[before:])

    wait_until(answered, "a hello")


def _calls(board: Talker, observer: Talker, group: str) -> bool:
    """Whether a call of the board into this group is heard."""
    mark = b"%d" % len(observer.received)
    board.publish(f"{BASE}group/{group}/call/{BOARD}", b"call " + mark)
    board.publish(f"{BASE}dev/{BOARD}/event", b"after it " + mark)
    observer.wait_for(b"after it " + mark)
    return any(payload == b"call " + mark for _, payload in observer.received)
