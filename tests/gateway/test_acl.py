"""The rights of the wire, cell by cell, asked of a real mosquitto.

mosquitto drops in silence and acknowledges all the same. So a witness who may do everything watches, and a marker that is published after
the last acknowledgement tells that nothing more can come.
"""

import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

import pytest

from gateway.identity import mosquitto
from gateway.identity.acl import Rights
from gateway.mqtt import Account
from tests.gateway.brokers import WAIT_S, Certificate, Running, Talker, certificate_of, refusal, running, wait_until

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
desk/truc-ban-1/command            -        -        R        P        -        R
desk/truc-ban-1/answer             -        -        P        R        -        R
desk/truc-ban-1/alive              -        -        R        P        -        R
desk/truc-ban-1/else               -        -        -        -        -        R
bench/ky-thuat-1/command           -        -        R        -        P        R
bench/ky-thuat-1/answer            -        -        P        -        R        R
bench/ky-thuat-1/else              -        -        -        -        -        R
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
REVOKED, RENEWED = "H03-04", "H03-05"  # the one has no rights any more, of the other's two certificates the older one


@pytest.fixture(scope="module", params=["passwords", "certificates"])
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    certified = (*BOARDS, REVOKED, RENEWED, RENEWED) if request.param == "certificates" else ()
    with running(tmp_path_factory.mktemp("acl"), "mosquitto", certified=certified, revoked=(REVOKED,) if certified else ()) as found:
        yield found


WITH_CERTIFICATES = pytest.mark.parametrize("broker", ["certificates"], indirect=True)


def talker(broker: Running, user: str, **kwargs: str) -> Talker:
    """A client of this user, as the broker wants it: boards with their certificates where it has an identity."""
    account, certificate = known(broker, user)
    return Talker(account, certificate=certificate, **kwargs)


def known(broker: Running, user: str) -> tuple[Account, Certificate | None]:
    """What a user connects with."""
    if user in BOARDS and (broker.data / "identity").exists():
        return Account("127.0.0.1", broker.ports[0], f"{user}.1", ""), certificate_of(broker.data, f"{user}.1")
    return broker.accounts.account(user), None


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


@pytest.mark.parametrize("user", USERS)
def test_a_user_leaves_retained_what_it_may_publish_and_nothing_else(broker: Running, witness: Account, user: str) -> None:
    with talker(broker, user) as subject:
        for topic in TOPICS:
            subject.retain(topic, b"kept by " + user.encode())
    with Talker(witness, "clearing") as clearing:
        clearing.subscribe("#")
        clearing.publish(BASE + "marker", b"marker")
        kept = clearing.topics_before(b"marker")
        for topic in TOPICS:
            clearing.retain(topic, b"")
    assert kept == cells(user, "P")


@pytest.mark.parametrize("user", USERS)
def test_a_last_will_is_heard_where_its_user_may_publish_and_nowhere_else(broker: Running, witness: Account, user: str) -> None:
    with Talker(witness, "watching") as watching:
        watching.subscribe("#")
        for topic in TOPICS:
            die(broker, user, topic)
        # A death and what is published after it may be seen in one turn of mosquitto's loop, and in any order: so twice.
        watching.publish(BASE + "marker", b"first marker")
        watching.publish(BASE + "marker", b"marker")
        assert watching.topics_before(b"marker") - {BASE + "marker"} == cells(user, "P")


def die(broker: Running, user: str, will: str) -> None:
    """Connect with a last will and be gone without a word, once mosquitto has let us in."""
    account, certificate = known(broker, user)
    words = (account.user.encode(), will.encode(), b"will of " + user.encode(), account.user.encode(), account.password.encode())
    flags = 0b11001110 if account.password else 0b10001110  # MQTT 3.1.1, 3.1.2.3: user, (password), will with QoS 1, clean session
    fields = b"".join(struct.pack("!H", len(word)) + word for word in (words if account.password else words[:-1]))
    body = b"\x00\x04MQTT\x04" + bytes([flags]) + struct.pack("!H", 20) + fields
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) % 128 | 0x80, len(body) // 128])
    with socket.create_connection((account.host, account.port), WAIT_S) as plain:
        link = certificate.context().wrap_socket(plain) if certificate else plain
        link.sendall(b"\x10" + length + body)
        assert link.recv(4) == b"\x20\x02\x00\x00", "no CONNACK"
        link.shutdown(socket.SHUT_RDWR)
        link.close()


@WITH_CERTIFICATES
@pytest.mark.parametrize("holder", [f"{REVOKED}.1", f"{RENEWED}.1"], ids=["revoked", "older generation"])
def test_a_certificate_without_rights_says_and_hears_nothing(broker: Running, witness: Account, holder: str) -> None:
    account = Account("127.0.0.1", broker.ports[0], holder, "")
    own = [topic.replace("H03-01", holder.partition(".")[0]) for topic in TOPICS]
    with Talker(witness, "watching") as watching, Talker(account, certificate=certificate_of(broker.data, holder)) as subject:
        watching.subscribe("#")
        subject.subscribe("#", *own)
        for topic in own:
            subject.publish(topic, b"from who was let go")
        for topic in own:
            watching.publish(topic, b"from the witness")
        watching.publish(BASE + "tick", b"marker")
        watching.wait_for(b"marker")
        assert not [payload for _, payload in watching.received if payload == b"from who was let go"]
        assert subject.received == []


@WITH_CERTIFICATES
def test_whose_name_a_board_gives_does_not_matter_its_certificate_does(broker: Running, witness: Account) -> None:
    account = Account("127.0.0.1", broker.ports[0], "DCC-017.1", "")
    with Talker(witness, "watching") as watching, Talker(account, certificate=certificate_of(broker.data, "H03-01.1")) as subject:
        watching.subscribe("#")
        for topic in TOPICS:
            subject.publish(topic, b"from H03-01 under another name")
        watching.publish(BASE + "marker", b"marker")
        assert watching.topics_before(b"marker") == cells("H03-01", "P")


@pytest.mark.parametrize("place", ["boards", "programs"])
def test_who_gives_no_name_or_a_wrong_password_is_not_let_in(broker: Running, place: str) -> None:
    port = broker.ports[0 if place == "boards" else 1]
    anonymous = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x14\x00\x04some"  # MQTT 3.1.1, section 3.1
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as link:
        link.sendall(anonymous)
        with suppress(ConnectionResetError):  # of a port that wants TLS
            assert link.recv(4) != b"\x20\x02\x00\x00"
    if place == "programs":
        for user in ("engine", "bench", "H03-01"):
            assert refusal(Account("127.0.0.1", port, user, "wrong")) == "wrong user or password"


@pytest.mark.parametrize("claimed", ["DCC-017", "console", "engine"])
def test_a_board_that_claims_anothers_client_id_throws_nobody_off(broker: Running, claimed: str) -> None:
    with talker(broker, claimed) as victim, talker(broker, "H03-01", client_id=victim.client_id) as board:
        victim.subscribe(BASE + "tick")
        board.subscribe(BASE + "tick")
        with talker(broker, "engine", client_id="the engine") as engine:
            engine.publish(BASE + "tick", b"marker")
            victim.wait_for(b"marker")
            board.wait_for(b"marker")
        assert not victim.lost.is_set()
        assert not board.lost.is_set()
