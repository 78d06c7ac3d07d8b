"""Identity with real parts: openssl reads the certificates, mosquitto lets in whom it should, and takes rights from who is connected."""

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway import broker as brokers
from gateway.broker import Choice
from gateway.certificates import Certificates
from gateway.doctor import examination
from gateway.domain import health
from gateway.domain.audiences import VIETNAM
from gateway.domain.health import Limits, Reading
from gateway.domain.situation import Now
from gateway.identity import issuing, mosquitto, register, validity
from gateway.identity.authority import CA_YEARS, Authority
from gateway.identity.register import Refused
from gateway.identity.validity import HOLDER_YEARS, YEAR
from gateway.mqtt import Account
from gateway.settings import Broker, Settings
from gateway.store.store import upgrade
from protocol import site as site_files
from protocol.tomlfile import FileMistakes
from tests.gateway.brokers import (
    DEMO,
    ROOT,
    WAIT_S,
    Certificate,
    Running,
    Talker,
    certificate_of,
    new_certificate,
    running,
    stored,
    wait_until,
)
from tests.gateway.commune import World

BASE = "keng/1/xa-mau/"
SITE = site_files.load(DEMO)
NOW = register.now()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("made"), "xa-mau", now=NOW)


@pytest.fixture
def data(authority: Authority, tmp_path: Path) -> Path:
    """A folder with the identity, new for each test: keys take their time to make."""
    shutil.copytree(authority.folder, tmp_path / "identity", ignore=shutil.ignore_patterns("boards.*"))
    return tmp_path


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("identity"), "mosquitto", certified=("H03-01", "H03-02")) as found:
        yield found


def board(broker: Running, certificate: Certificate, client_id: str = "any", user: str = "any") -> Talker:
    return Talker(Account("127.0.0.1", broker.ports[0], user, ""), client_id, certificate=certificate)


def keng(broker: Running, *words: str) -> str:
    files = ["--site", str(broker.site), "--settings", str(broker.settings), "--data", str(broker.data)]
    done = subprocess.run([sys.executable, "-m", "keng", *words, *files], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_openssl_takes_every_certificate(data: Path) -> None:
    found = new_certificate(data, "H03-07")
    for certificate, purpose in ((found.certificate, "sslclient"), (data / "identity/broker.pem", "sslserver")):
        done = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", str(found.ca), str(certificate)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout.endswith(": OK\n"), done.stderr


def test_every_certificate_is_valid_from_the_authoritys_first_day_and_short_enough_for_a_board(data: Path) -> None:
    authority = Authority.load(data)
    _, request = issuing.new_key("H03-07")
    der = issuing.issue(data, "H03-07", request, now=NOW).certificate
    own = x509.load_der_x509_certificate(der)
    assert {one.not_valid_before_utc.year for one in (authority.certificate, authority.broker, own)} == {2000}
    assert own.not_valid_after_utc.date() == (NOW + HOLDER_YEARS * YEAR).date()
    assert own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "H03-07.1"
    assert max(len(der), len(authority.der)) <= 2048, "FILE_MAX of firmware/device/agent/credentials.py"


def test_no_file_of_the_identity_is_for_others_to_read(data: Path) -> None:
    new_certificate(data, "H03-07")
    assert {path.name: path.stat().st_mode & 0o077 for path in (data / "identity").iterdir()} == {
        path.name: 0 for path in (data / "identity").iterdir()
    }


def test_a_second_authority_is_refused(data: Path) -> None:
    with pytest.raises(FileMistakes, match="expected no identity yet"):
        Authority.create(data, "xa-mau", now=NOW)


def test_the_same_key_is_of_the_same_generation_and_another_of_the_next(data: Path) -> None:
    (_, first), (_, second) = issuing.new_key("H03-07"), issuing.new_key("H03-07")
    assert [issuing.issue(data, "H03-07", key, mac="a", now=NOW).generation for key in (first, first, second)] == [1, 1, 2]
    assert register.users(register.load(data)) == {"H03-07": "H03-07.2"}


def test_another_board_does_not_take_a_place_unless_it_is_said(data: Path) -> None:
    _, request = issuing.new_key("H03-07")
    issuing.issue(data, "H03-07", request, mac="240ac4000001", now=NOW)
    _, another = issuing.new_key("H03-07")
    with pytest.raises(Refused, match=r"expected the board 240ac4000001, got 240ac4000002.*keng device replace"):
        issuing.issue(data, "H03-07", another, mac="240ac4000002", now=NOW)
    assert issuing.issue(data, "H03-07", another, mac="240ac4000002", replace=True, now=NOW).generation == 2


def test_a_board_does_not_take_a_second_place_while_it_has_one(data: Path) -> None:
    (_, first), (_, second) = issuing.new_key("H03-07"), issuing.new_key("H03-08")
    mac = "240ac4000001"
    issuing.issue(data, "H03-07", first, mac=mac, now=NOW)
    for replace in (False, True):
        with pytest.raises(Refused, match=f"got {mac}, which is H03-07's; .* keng device replace; .* keng device revoke H03-07"):
            issuing.issue(data, "H03-08", second, mac=mac, replace=replace, now=NOW)
    assert register.users(register.load(data)) == {"H03-07": "H03-07.1"}, "nothing has changed"

    register.revoke(data, "H03-07")
    issuing.issue(data, "H03-08", second, mac=mac, now=NOW)
    assert register.users(register.load(data)) == {"H03-08": "H03-08.1"}
    with pytest.raises(Refused, match="which is H03-08's"):
        issuing.issue(data, "H03-07", first, mac=mac, now=NOW)


def test_a_board_whose_place_got_another_is_free_for_a_new_one(data: Path) -> None:
    _, request = issuing.new_key("H03-07")
    issuing.issue(data, "H03-07", request, mac="240ac4000001", now=NOW)
    issuing.issue(data, "H03-07", issuing.new_key("H03-07")[1], mac="240ac4000002", replace=True, now=NOW)
    issuing.issue(data, "H03-08", request, mac="240ac4000001", now=NOW)
    assert register.users(register.load(data)) == {"H03-07": "H03-07.2", "H03-08": "H03-08.1"}


def test_certificates_made_by_hand_are_of_no_board_that_could_have_two(data: Path) -> None:
    for device in ("H03-07", "H03-08"):
        issuing.issue(data, device, issuing.new_key(device)[1], replace=True, now=NOW)
    assert register.users(register.load(data)) == {"H03-07": "H03-07.1", "H03-08": "H03-08.1"}


def test_a_revoked_board_has_no_user_and_its_next_certificate_is_of_another_generation(data: Path) -> None:
    _, request = issuing.new_key("H03-07")
    issuing.issue(data, "H03-07", request, mac="a", now=NOW)
    register.revoke(data, "H03-07")
    assert register.users(register.load(data)) == {}
    assert issuing.issue(data, "H03-07", request, mac="b", now=NOW).generation == 2


@pytest.mark.parametrize(
    ("request_der", "words"), [(b"", "request in DER"), (b"\x30\x03\x02\x01\x01", "request in DER")], ids=["empty", "something else"]
)
def test_what_is_no_request_is_refused(data: Path, request_der: bytes, words: str) -> None:
    with pytest.raises(Refused, match=words):
        issuing.issue(data, "H03-07", request_der, now=NOW)
    assert register.load(data) == {}


def test_the_brokers_certificate_is_renewed_in_time_and_keeps_its_name(data: Path) -> None:
    authority = Authority.load(data)
    authority.renew_broker("gw.local", now=NOW)
    before = authority.broker
    assert not authority.keep_broker_good(now=NOW)
    assert authority.keep_broker_good(now=before.not_valid_after_utc - timedelta(days=300))
    assert authority.broker.serial_number != before.serial_number
    assert authority.server_name == "gw.local"


def test_the_doctor_tells_of_every_certificate_that_ends(data: Path) -> None:
    new_certificate(data, "H03-07")

    def told(now: datetime) -> dict[str, tuple[str, str]]:
        patient = examination.Patient(SITE, Settings(), data, data / "backups")
        return {found.what: (found.state, found.remedy) for found in examination._certificates(patient, now)}

    assert told(NOW) == dict.fromkeys(["authority", "broker's certificate", "boards' certificates"], ("ok", ""))
    late = told(NOW + HOLDER_YEARS * YEAR - timedelta(days=30))
    assert late["broker's certificate"] == ("warn", "sudo systemctl restart keng-broker: it renews its own")
    assert late["boards' certificates"] == ("warn", "keng device flash, for H03-07")
    register.revoke(data, "H03-07")
    assert "boards' certificates" not in told(NOW)


DAY = timedelta(days=1)
CERTIFICATES = ("certificate_authority", "certificate_broker", "certificate_boards", "certificate_page")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for a page, good for 90 days."""
    file = tmp_path_factory.mktemp("page") / "console.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "90", "-subj", "/CN=kenh.test", "-keyout", "/dev/null"]
    subprocess.run([*words, "-out", str(file)], check=True, capture_output=True)
    return file


def faults(certificates: Certificates, now: datetime) -> dict[str, str]:
    """What is wrong then."""
    world = World()
    world.now = Now(int(now.timestamp() * 1000), 1000.0)
    with world.turn() as turn:
        health.judge(turn, Reading(certificates=certificates.read()), Limits())
    return world.situation.faults


def test_certificates_that_end_are_faults_until_they_are_renewed(data: Path, page: Path) -> None:
    for board in ("H03-07", "H03-08", "H09-99"):
        new_certificate(data, board)
    looked_at = Certificates(data, page, {"H03-07", "H03-08"})
    end = Authority.load(data).end(NOW)
    assert faults(looked_at, NOW) == {}
    assert faults(looked_at, NOW + 67 * DAY) == {}
    assert faults(looked_at, NOW + 68 * DAY) == {"certificate_page": f"good until {local_date(NOW + 90 * DAY)}"}
    assert faults(looked_at, end - 61 * DAY) == {"certificate_page": f"ended on {local_date(NOW + 90 * DAY)}"}
    late = faults(looked_at, end - 59 * DAY)
    assert late["certificate_broker"].startswith("good until ")
    assert late["certificate_boards"] == f"good until {local_date(end)}: H03-07, H03-08", "H09-99 is of no commune and has no rights"

    Authority.load(data).renew_broker("gateway.keng.internal", now=end - 59 * DAY)
    register.revoke(data, "H03-07")
    late = faults(looked_at, end - 59 * DAY)
    assert (late.keys(), late["certificate_boards"]) == (
        {"certificate_boards", "certificate_page"},
        f"good until {local_date(end)}: H03-08",
    )
    assert "certificate_authority" in faults(looked_at, NOW + (CA_YEARS * 365 - 59) * DAY)


def local_date(day: datetime) -> str:
    return f"{day.astimezone(VIETNAM):%d/%m/%Y}"


def test_a_certificate_that_nobody_can_read_is_unknown_until_somebody_can(data: Path, page: Path, caplog: pytest.LogCaptureFixture) -> None:
    looked_at = Certificates(data, data / "page.pem", set())
    whole = (data / "identity/broker.pem").read_bytes()
    for broken in (b"", b"rubbish", whole[: len(whole) // 2], whole.replace(b"MII", b"AAA", 1)):
        (data / "identity/broker.pem").write_bytes(broken)
        (data / "page.pem").write_bytes(broken)
        found = looked_at.read()
        assert (found["certificate_broker"], found["certificate_page"]) == (None, None)
        assert found["certificate_authority"]
    assert len(caplog.records) == 2, "once for each, not every ten seconds"
    (data / "identity/broker.pem").write_bytes(whole)
    (data / "page.pem").write_bytes(page.read_bytes())
    assert all(looked_at.read()[key] for key in ("certificate_broker", "certificate_page"))


def test_a_gateway_without_certificates_has_none_that_end(tmp_path: Path) -> None:
    assert Certificates(tmp_path, None, set()).read() == dict.fromkeys(CERTIFICATES, ())


def test_when_it_ends_is_read_as_the_library_reads_it(authority: Authority, page: Path) -> None:
    for file in (authority.folder / "ca.pem", authority.folder / "broker.pem", page):
        known = x509.load_pem_x509_certificate(file.read_bytes())
        assert validity.read(file.read_bytes()) == (known.not_valid_before_utc, known.not_valid_after_utc)


def test_a_board_in_another_group_than_it_has_shown_has_the_rights_of_both(data: Path) -> None:
    with sqlite3.connect(data / "keng.db", isolation_level=None) as db:
        upgrade(db, data / "keng.db")
        db.execute(
            "INSERT INTO device (id, kind, place, settled, state, watch_s, firmware, refused, faults)"
            " VALUES ('DCC-017', 'fire_point', '', 'TLG-03', 'online', 80, '', 0, '{}')"
        )
    new_certificate(data, "DCC-017")
    brokers.write_files(Choice("mosquitto"), Settings(), SITE, data)
    rights = (data / "broker/boards.acl").read_text().splitlines()
    assert [line for line in rights if line.startswith("topic write") and "/call/" in line] == [
        f"topic write {BASE}group/DCC-N5/call/DCC-017",
        f"topic write {BASE}group/TLG-03/call/DCC-017",
    ]
    assert f"topic read {BASE}group/TLG-03/ring" in rights


@pytest.mark.parametrize("kind", ["mosquitto", "auto"])
def test_an_address_that_others_reach_needs_an_identity(data: Path, kind: str) -> None:
    settings = Settings(broker=Broker.model_validate({"kind": kind, "host": "0.0.0.0"}))
    with pytest.raises(FileMistakes, match="while boards have no certificates; remedy: keng identity init"):
        brokers.write_files(Choice("mosquitto"), settings, SITE, data / "elsewhere")
    brokers.write_files(Choice("mosquitto"), settings, SITE, data)
    lines = [line for line in (data / "broker/mosquitto.conf").read_text().splitlines() if line.startswith("listener")]
    assert lines == ["listener 1883 0.0.0.0", "listener 1884 127.0.0.1"]


def test_the_embedded_broker_does_not_take_boards_with_certificates(data: Path) -> None:
    with pytest.raises(FileMistakes, match="expected mosquitto"):
        brokers.write_files(Choice("embedded"), Settings(), SITE, data)


CONNECT = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x14\x00\x04some"  # MQTT 3.1.1, section 3.1


def refused(broker: Running, certificate: Certificate | None) -> bool:
    """Whether mosquitto refuses who comes with this certificate, or with none and without TLS."""
    with socket.create_connection(("127.0.0.1", broker.ports[0]), WAIT_S) as plain:
        try:
            with certificate.context().wrap_socket(plain) if certificate else plain as link:
                link.sendall(CONNECT)
                return link.recv(4) != b"\x20\x02\x00\x00"
        except OSError:  # with TLS 1.2 in the handshake
            return True


def test_a_certificate_that_has_expired_is_refused(broker: Running) -> None:
    authority = Authority.load(broker.data)
    key, request = issuing.new_key("H03-01")
    public = x509.load_der_x509_csr(request).public_key()
    long_ago = NOW - HOLDER_YEARS * YEAR - timedelta(days=1)
    der = authority.board("H03-01", 1, public, now=long_ago)  # type: ignore[arg-type]  # of new_key: P-256
    assert refused(broker, stored(broker.data, "expired", key, der))
    assert not refused(broker, certificate_of(broker.data, "H03-01.1"))


def test_a_certificate_of_another_authority_is_refused(broker: Running, tmp_path: Path) -> None:
    Authority.create(tmp_path, "xa-mau", now=NOW)
    other = new_certificate(tmp_path, "H03-01")
    assert refused(broker, other._replace(ca=broker.data / "identity/ca.pem"))


def test_who_has_no_certificate_is_refused(broker: Running) -> None:
    assert refused(broker, None)


def test_boards_have_no_passwords(broker: Running) -> None:
    assert set(broker.accounts.users) == {"engine", "console", "bench", "observer"}


def test_the_client_id_of_another_takes_nobodys_place(broker: Running) -> None:
    engine = Talker(broker.accounts.account("engine"))
    with engine, board(broker, certificate_of(broker.data, "H03-02.1")) as victim:
        victim.subscribe(BASE + "dev/H03-02/receipt")
        with board(broker, certificate_of(broker.data, "H03-01.1"), client_id="H03-02.1", user="H03-02.1") as attacker:
            attacker.subscribe(BASE + "dev/H03-02/receipt", BASE + "tick")
            engine.publish(BASE + "dev/H03-02/receipt", b"for the victim")
            engine.publish(BASE + "tick", b"marker")
            victim.wait_for(b"for the victim")
            assert attacker.topics_before(b"marker") == set()
            assert not victim.lost.is_set()


def test_a_board_revoked_while_connected_is_cut_and_nobody_else(broker: Running) -> None:
    revoked_certificate = new_certificate(broker.data, "H03-03")
    keng(broker, "broker", "files")
    assert brokers.reload(broker.data)
    engine = Talker(broker.accounts.account("engine"))
    other = board(broker, certificate_of(broker.data, "H03-01.1"))
    with engine, other, board(broker, revoked_certificate) as subject:
        engine.subscribe(BASE + "dev/+/event")
        other.subscribe(BASE + "tick")
        subject.subscribe(BASE + "tick")
        wait_until(lambda: _says(subject, engine, b"before"), "the new board's rights")
        assert "has no rights any more\nbroker: has the new rights" in keng(broker, "identity", "revoke", "H03-03")
        wait_until(lambda: subject.lost.is_set() or not _says(subject, engine, b"still"), "the end of its rights")
        engine.publish(BASE + "tick", b"after")
        other.wait_for(b"after")
        assert b"after" not in [payload for _, payload in subject.received]
        assert not other.lost.is_set()
        assert not engine.lost.is_set()
        with board(broker, revoked_certificate) as again:
            again.subscribe(BASE + "tick", BASE + "dev/H03-03/order")
            assert not _says(again, engine, b"again")
            engine.publish(BASE + "tick", b"later")
            other.wait_for(b"later")
            assert again.received == []


def _says(board: Talker, engine: Talker, word: bytes) -> bool:
    """Whether what a board publishes as H03-03 arrives. The board's PUBACK says that the broker has handled it."""
    count = len(engine.received)
    board.publish(BASE + "dev/H03-03/event", word)
    engine.subscribe(BASE + "tick")
    marker = b"marker %d" % count
    engine.publish(BASE + "tick", marker)
    engine.wait_for(marker)
    return any(payload == word for _, payload in engine.received[count:])


def test_a_new_generation_takes_the_rights_of_the_old_one(broker: Running) -> None:
    old = new_certificate(broker.data, "H03-03")
    new = new_certificate(broker.data, "H03-03")
    keng(broker, "broker", "files")
    assert brokers.reload(broker.data)
    engine = Talker(broker.accounts.account("engine"))
    with engine, board(broker, old) as before, board(broker, new) as after:
        engine.subscribe(BASE + "dev/+/event")
        wait_until(lambda: _says(after, engine, b"new"), "the rights of the new generation")
        assert not _says(before, engine, b"old")


def test_keng_identity_makes_a_board_by_hand(broker: Running, tmp_path: Path) -> None:
    said = keng(broker, "identity", "board", "H03-04", "--out", str(tmp_path / "out"))
    assert "broker: has the new rights" in said
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"ca.der", "board.der", "key.der"}
    shown = json.loads(
        subprocess.run(
            [sys.executable, "-m", "keng", "identity", "show", "--data", str(broker.data), "--json"],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
        ).stdout
    )  # fmt: skip
    assert shown["boards"]["H03-04"]["generation"] == 1
    assert shown["server_name"] == "gateway.keng.internal"


def test_a_number_that_another_program_has_now_gets_no_signal(data: Path) -> None:
    mosquitto_folder = data / "broker"
    mosquitto_folder.mkdir()
    (mosquitto_folder / "pid").write_text("1")
    assert not brokers.reload(data)


def test_the_rights_file_has_no_line_for_boards_without_certificate() -> None:
    assert mosquitto.acl_file({}) == ""
