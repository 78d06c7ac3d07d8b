"""The rights of the wire, cell by cell, asked of a real mosquitto.

mosquitto drops in silence and acknowledges all the same. So a witness who may do everything watches, and a marker that is published after
the last acknowledgement tells that nothing more can come.
"""

import signal
from collections.abc import Iterator

import pytest

from gateway.identity import mosquitto
from gateway.identity.acl import Rights
from gateway.mqtt import Account
from tests.gateway.brokers import WAIT_S, Running, Talker, certificate_of, refusal, running, wait_until

BASE = "keng/1/xa-mau/"

# Written from docs/wire.md by hand, not from gateway/identity/acl.py. P: may publish, R: may read.
# H03-01 and H03-02 are neighbours in TLG-03, DCC-017 is a fire point of another group.
TABLE = """
topic                              H03-01   DCC-017  engine   console  bench    observer
dev/H03-01/state                   P        -        R        -        R        R
dev/H03-01/event                   P        -        R        -        -        R
dev/H03-01/report                  P        -        R        -        -        R
dev/H03-01/answer                  P        -        R        -        -        R
dev/H03-01/fetch                   P        -        R        -        -        R
dev/H03-01/hello                   R        -        P        -        -        R
dev/H03-01/receipt                 R        -        P        -        -        R
dev/H03-01/order                   R        -        P        -        -        R
dev/H03-01/chunk                   R        -        P        -        -        R
dev/H03-01/else                    -        -        -        -        -        R
dev/H03-01                         -        -        -        -        -        R
dev/H03-01/state/more              -        -        -        -        -        R
dev/H03-02/state                   -        -        R        -        R        R
dev/H03-02/event                   -        -        R        -        -        R
dev/H03-02/report                  -        -        R        -        -        R
dev/H03-02/answer                  -        -        R        -        -        R
dev/H03-02/fetch                   -        -        R        -        -        R
dev/H03-02/hello                   -        -        P        -        -        R
dev/H03-02/receipt                 -        -        P        -        -        R
dev/H03-02/order                   -        -        P        -        -        R
dev/H03-02/chunk                   -        -        P        -        -        R
dev/DCC-017/event                  -        P        R        -        -        R
dev/DCC-017/order                  -        R        P        -        -        R
dev/engine/event                   -        -        R        -        -        R
group/TLG-03/call/H03-01           PR       -        R        -        -        R
group/TLG-03/call/H03-02           R        -        R        -        -        R
group/TLG-03/call/DCC-017          R        -        R        -        -        R
group/TLG-03/call                  -        -        -        -        -        R
group/TLG-03/ring                  R        -        P        -        -        R
group/DCC-N5/call/DCC-017          -        PR       R        -        -        R
group/DCC-N5/call/H03-01           -        R        R        -        -        R
group/DCC-N5/ring                  -        R        P        -        -        R
tick                               R        R        PR       R        R        R
gateway                            R        R        PR       R        R        R
incident/2026-000001               -        -        PR       R        -        R
desk/truc-ban-1/command            -        -        R        P        P        R
desk/truc-ban-1/answer             -        -        P        R        R        R
desk/truc-ban-1/else               -        -        -        -        -        R
else                               -        -        -        -        -        R
/keng/1/other/tick                 -        -        -        -        -        -
/keng/1/other/dev/H03-01/event     -        -        -        -        -        -
/else                              -        -        -        -        -        -
"""
HEADER, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
USERS = HEADER[1:]
TOPICS = [row[0].removeprefix("/") if row[0].startswith("/") else BASE + row[0] for row in ROWS]


def cells(user: str, right: str) -> set[str]:
    column = HEADER.index(user)
    return {topic for topic, row in zip(TOPICS, ROWS, strict=True) if right in row[column]}


BOARDS = ("H03-01", "DCC-017")


@pytest.fixture(scope="module", params=["passwords", "certificates"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    certified = BOARDS if request.param == "certificates" else ()
    with running(tmp_path_factory.mktemp("acl"), "mosquitto", certified=certified) as found:
        yield found


def talker(broker: Running, user: str, **kwargs: str) -> Talker:
    """A client of this user, as the broker wants it: boards with their certificates where it has an identity."""
    if user in BOARDS and (broker.data / "identity").exists():
        account = Account("127.0.0.1", broker.ports[0], user, "")
        return Talker(account, certificate=certificate_of(broker.data, f"{user}.1"), **kwargs)
    return Talker(broker.accounts.account(user), **kwargs)


@pytest.fixture(scope="module")
def witness(broker: Running) -> Account:
    """Somebody who may do everything. Made while mosquitto runs: it reads its files again on SIGHUP."""
    folder = broker.data / "broker"
    account = Account("127.0.0.1", broker.ports[1], "witness", "only in this test")
    with (folder / "programs.acl").open("a") as acl, (folder / "programs.passwd").open("a") as passwords:
        acl.write("\n" + mosquitto.acl_file({"witness": Rights(("#",), ("#",))}))
        passwords.write(mosquitto.password_file({"witness": account.password}))
    broker.process.send_signal(signal.SIGHUP)
    wait_until(lambda: refusal(account) == "", "mosquitto reads its files again")
    return account


@pytest.mark.parametrize("user", USERS)
def test_a_user_publishes_what_the_table_allows_and_nothing_else(broker: Running, witness: Account, user: str) -> None:
    with Talker(witness, "watching") as watching, talker(broker, user) as subject:
        watching.subscribe("#")
        for topic in TOPICS:
            subject.publish(topic, b"from " + user.encode())
        watching.publish(BASE + "marker", b"marker")
        assert watching.topics_before(b"marker") == cells(user, "P")


@pytest.mark.parametrize("filters", [["#"], TOPICS], ids=["by wildcard", "by name"])
@pytest.mark.parametrize("user", USERS)
def test_a_user_reads_what_the_table_allows_and_nothing_else(broker: Running, witness: Account, user: str, filters: list[str]) -> None:
    with Talker(witness, "speaking") as speaking, talker(broker, user) as subject:
        subject.subscribe(*filters)
        for topic in TOPICS:
            speaking.publish(topic, b"from the witness")
        speaking.publish(BASE + "tick", b"marker")
        assert subject.topics_before(b"marker") == cells(user, "R")


@pytest.mark.parametrize("user", USERS)
def test_retained_messages_reach_only_who_may_read_them(broker: Running, witness: Account, user: str) -> None:
    with Talker(witness, "speaking") as speaking, talker(broker, user) as subject:
        for topic in TOPICS:
            speaking.retain(topic, b"kept")
        subject.subscribe("#")
        speaking.publish(BASE + "tick", b"marker")
        try:
            assert subject.topics_before(b"marker") == cells(user, "R")
        finally:
            for topic in TOPICS:
                speaking.retain(topic, b"")


def test_a_last_will_needs_the_same_right(broker: Running, witness: Account) -> None:
    with Talker(witness, "watching") as watching:
        watching.subscribe("#")
        for will in ("dev/H03-02/state", "dev/H03-01/state"):
            with talker(broker, "H03-01", will=BASE + will) as subject:
                subject.cut()
                assert subject.lost.wait(WAIT_S)
        watching.wait_for(b"will")
        assert [topic for topic, payload in watching.received if payload == b"will"] == [BASE + "dev/H03-01/state"]
