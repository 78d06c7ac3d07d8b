"""A gateway moves to another machine: backup here, restore there. Boards connect, people log in. With every part real."""

import json
from pathlib import Path

import httpx

from gateway.identity import register
from gateway.identity.authority import Authority
from gateway.mqtt import Account
from protocol.messages import Birth
from tests.gateway.brokers import DEMO, Talker, certificate_of, new_certificate, wait_until
from tests.gateway.typed import keng
from tests.gateway.ups import up

BOARD, DUTY, PASSWORD = "H03-01", "truc-ban-1", "gốc đa giếng nước sân đình"
BASE = "keng/1/xa-mau/"
BIRTH = Birth(life="9c41f2aa", boot=1, kind="household", fw="1.0.0", group="TLG-03", reset="power")


def greeted(folder: Path, data: Path) -> bool:
    """Whether the engine on this gateway greets the board, which comes with the certificate that it got on the old one."""
    port = int((folder / "keng.toml").read_text().partition("\nport = ")[2].partition("\n")[0])
    with Talker(Account("127.0.0.1", port, "any", ""), certificate=certificate_of(data, f"{BOARD}.1")) as board:
        board.subscribe(f"{BASE}dev/{BOARD}/hello")

        def answered() -> bool:
            board.retain(f"{BASE}dev/{BOARD}/state", BIRTH.payload())
            return any(topic.endswith("/hello") for topic, _ in board.received)

        wait_until(answered, "a hello")
        return True


def client(page: str) -> httpx.Client:
    return httpx.Client(base_url=page, headers={"Origin": page}, trust_env=False, timeout=30)


def came_in(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.headers.get("location")) == (303, "/")


def test_after_a_move_boards_connect_and_people_log_in(tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "safe.tar.gz"
    for folder in (old, new):
        folder.mkdir()
    Authority.create(old / "data", "xa-mau", now=register.now())
    new_certificate(old / "data", BOARD)

    with up(old) as here, client(here.page) as browser:
        assert greeted(old, old / "data")
        files = ["--site", DEMO, "--settings", old / "keng.toml", "--data", old / "data"]
        code = json.loads(keng("people", "invite", DUTY, *files, "--json").stdout)["code"]
        assert came_in(browser.post(f"/invitation/{code}", data={"password": PASSWORD, "again": PASSWORD}))
        assert browser.get("/").status_code == 200
        session = dict(browser.cookies)
        made = keng("backup", file, "--data", old / "data")
        assert made.returncode == 0, made.stderr
        assert "with the broker's accounts, 1 accounts of the page" in made.stdout

    restored = keng("restore", file, "--data", new / "data", "--json")
    assert restored.returncode == 0, restored.stderr
    assert json.loads(restored.stdout)["people"] == 1
    with up(new) as there, client(there.page) as browser:
        assert greeted(new, old / "data")
        stale = httpx.get(f"{there.page}/", cookies=session, trust_env=False, timeout=30)
        assert stale.status_code == 401, "who was logged in there logs in anew"
        assert came_in(browser.post("/login", data={"name": DUTY, "password": PASSWORD}))
        assert browser.get("/").status_code == 200
