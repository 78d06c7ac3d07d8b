"""The commands as a user types them: answers on stdout, mistakes on stderr one line each, exit codes 0, 1, 2."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.gateway.brokers import DEMO, ROOT, free_ports, settings_file
from tests.gateway.typed import keng


def test_the_exit_code_of_a_real_process_says_that_the_input_was_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "keng", "site", "check", str(tmp_path / "none.toml")]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False).returncode == 2


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    text = DEMO.read_text(encoding="utf-8")
    path = tmp_path / "wrong.toml"
    text = text.replace('group = "TLG-03"', 'group = "TLG-30"', 1).replace("lat = 20.978680", "lat = 209.78680", 1)
    text = text.replace('id = "H03-03"', 'id = "H03-02"', 1).replace('address = "Số 7, ngõ Thử 5, thôn Ba, xã Mẫu"\n', "", 1)
    path.write_bytes(text.encode().replace("Tổ trưởng mẫu 03".encode(), b"T\xf4 tr\xfdng", 1))
    return path


def test_the_version_is_told() -> None:
    assert keng("--version") == (0, f"keng {version('keng')}\n", "")


def test_a_right_site_file_is_summed_up() -> None:
    done = keng("site", "check", DEMO)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{DEMO}: in order: Xã Mẫu (xa-mau): 2 groups, 12 homes, 3 fire points, 15 boards, 4 people\n"


def test_a_right_site_file_is_summed_up_for_programs() -> None:
    done = keng("site", "check", DEMO, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {
        "ok": True,
        "site": "xa-mau",
        "name": "Xã Mẫu",
        "groups": 2,
        "homes": 12,
        "fire_points": 3,
        "boards": 15,
        "people": 4,
        "roles": {"duty": 1, "leader": 1, "technician": 1, "household": 1},
    }


def test_a_wrong_site_file_gives_every_mistake_in_one_go(wrong: Path) -> None:
    done = keng("site", "check", wrong)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert all(line.startswith(f"{wrong}:") for line in lines)
    expected = [
        "homes[1].group: expected the id of a group in this file, got 'TLG-30'",
        "homes[2].lat: expected less than or equal to 90, got 209.7868",
        "homes[3].id: expected an id used only once, got 'H03-02'",
        "homes[4].address: expected to be there, got nothing",
        "boards[3].place: expected the id of a home, fire point or post in this file, got 'H03-03'",
        "file: expected UTF-8, got byte 0xf4 (save the file as UTF-8)",
    ]
    assert [line.split(":", 2)[2].strip() for line in lines] == expected
    assert json.loads(keng("site", "check", wrong, "--json").stdout) == {"ok": False, "mistakes": lines}


@pytest.mark.parametrize("command", ["up", "engine", "console", "broker"])
def test_mistakes_of_both_files_are_told_at_once(wrong: Path, tmp_path: Path, command: str) -> None:
    settings = tmp_path / "keng.toml"
    settings.write_text('[broker]\nport = "none"\n[console]\nhost = "0.0.0.0"\n')
    done = keng(command, "--site", wrong, "--settings", settings, "--data", tmp_path / "data")
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert [line.split(":")[0] for line in lines] == [str(wrong)] * 6 + [str(settings)] * 2
    assert "broker.port: expected a valid integer" in lines[-2]
    assert "console.host: expected an address of this machine alone" in lines[-1]
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("words", [["site", "check"], ["up", "--site"], ["engine", "--site"], ["console", "--site"], ["broker", "--site"]])
def test_a_missing_file_is_wrong_input_in_one_line(words: list[str], tmp_path: Path) -> None:
    done = keng(*words, tmp_path / "none.toml")
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path / 'none.toml'}: expected a file that can be read, got: No such file or directory\n"


def test_a_folder_is_no_site_file(tmp_path: Path) -> None:
    done = keng("site", "check", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path}: expected a file that can be read, got: Is a directory\n"


@pytest.mark.parametrize(
    "words",
    [
        ["backup", "safe.tar.gz"],
        ["people", "list", "--site", str(DEMO)],
        ["update", "status", "--by", "ky-thuat-1"],
        ["doctor"],
        ["up", "--site", str(DEMO)],
    ],
)
def test_who_may_not_look_into_the_folder_learns_how_to(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on an installed gateway without sudo; root may, so it is the system's answer that is changed."""
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode, **more: os.fspath(path) != str(tmp_path) and access(path, mode, **more))
    remedy = "on an installed gateway with sudo -u keng, or with sudo: docs/install.md"
    told = f"--data: expected a folder that this user may read, got {tmp_path}; {remedy}\n"
    assert keng(*words, "--data", tmp_path) == (2, "", told)


def test_the_broker_alone_needs_a_site() -> None:
    done = keng("broker")
    assert done.returncode == 2
    assert done.stderr == "keng broker: expected --site FILE, got nothing\n"


def test_keng_broker_does_not_start_an_external_broker(tmp_path: Path) -> None:
    settings = tmp_path / "keng.toml"
    settings.write_text('[broker]\nkind = "external"\n')
    done = keng("broker", "--site", DEMO, "--settings", settings, "--data", tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"{settings}: broker.kind: expected a broker to start, got 'external'\n"


def test_accounts_are_made_and_printed_for_programs(tmp_path: Path) -> None:
    ports = free_ports(2)
    settings = settings_file(tmp_path / "keng.toml", "mosquitto", ports)
    options = ["--site", DEMO, "--settings", settings, "--data", tmp_path / "data"]
    first = keng("broker", "accounts", *options, "--json")
    assert first.returncode == 0
    users = json.loads(first.stdout)["users"]
    assert len(users) == 19
    assert {key: users["H03-07"][key] for key in ("host", "port")} == {"host": "127.0.0.1", "port": ports[0]}
    assert users["engine"]["port"] == ports[1]
    assert keng("broker", "accounts", *options, "--json").stdout == first.stdout
    one = keng("broker", "accounts", *options, "--user", "H03-07")
    assert one.stdout.split() == ["H03-07", "127.0.0.1", str(ports[0]), users["H03-07"]["password"]]


def test_an_unknown_user_is_wrong_input(tmp_path: Path) -> None:
    done = keng("broker", "accounts", "--site", DEMO, "--data", tmp_path, "--user", "H99")
    assert done.returncode == 2
    assert done.stderr.startswith("accounts: expected the user 'H99', got ")


@pytest.mark.parametrize(("kind", "name"), [("mosquitto", "mosquitto.conf"), ("embedded", "embedded.toml")])
def test_the_brokers_files_are_written_without_starting_it(tmp_path: Path, kind: str, name: str) -> None:
    settings = settings_file(tmp_path / "keng.toml", kind, [2000, 2001])
    done = keng("broker", "files", "--site", DEMO, "--settings", settings, "--data", tmp_path / "data", "--json")
    assert json.loads(done.stdout) == {"kind": kind, "configuration": str(tmp_path / "data/broker" / name)}
    assert "2000" in (tmp_path / "data/broker" / name).read_text()


def test_a_console_with_nobody_on_duty_is_refused(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(DEMO.read_text(encoding="utf-8").replace('role = "duty"', 'role = "viewer"'), encoding="utf-8")
    for command in ("console", "up"):
        done = keng(command, "--site", site, "--data", tmp_path / "data")
        assert done.returncode == 2
        assert done.stderr == "site: people: expected somebody with the role duty, who answers alarms, got nobody\n"


@pytest.mark.parametrize(
    "words", [["up"], ["engine"], ["console"], ["broker"], ["broker", "accounts"], ["broker", "files"], ["site", "check"]], ids=" ".join
)
def test_each_command_explains_itself_with_an_example(words: list[str]) -> None:
    done = keng(*words, "--help")
    assert done.returncode == 0
    assert f"    keng {' '.join(words)} " in done.stdout.split("Example", 1)[1]
    assert "\b" not in done.stdout


@contextmanager
def somebody_else() -> Iterator[None]:
    """This process as a user who owns nothing; tests that run as root only."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_is_told_to_bring_passwords_of_its_own() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        site = Path(folder) / "site.toml"
        site.write_bytes(DEMO.read_bytes())
        assert keng("broker", "accounts", "--site", site, "--data", folder).returncode == 0
        with somebody_else():
            done = keng("engine", "--site", site, "--data", folder)
    assert done.returncode == 1
    assert done.stderr.startswith(f"keng engine: {folder}/broker/accounts.")
    assert done.stderr.endswith("got: Permission denied; another user of this machine needs its own file: --accounts FILE\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["people", "list", "--site", str(DEMO), "--data", "nowhere"], "--data: expected the folder"),
        (["people", "invite", "truc-ban-1", "--site", str(DEMO), "--data", "nowhere"], "--data: expected the folder"),
        (["people", "close", "truc-ban-1", "--site", str(DEMO), "--data", "nowhere"], "--data: expected the folder"),
        (["policy", "explain", "H03-07/button-1", "--site", str(DEMO), "--at", "9999-12-31T23:59"], "--at: expected a year from 2000"),
        (["channel", "prove", "", "--site", str(DEMO), "--by", "ky-thuat-1"], "channel: expected "),
        (["channel", "prove", "sms", "--site", str(DEMO), "--by", ""], "--by: expected somebody of the site file"),
        (["update", "start", "", "--site", str(DEMO), "--by", "ky-thuat-1"], "expected "),
    ],
)
def test_what_cannot_be_is_wrong_input_in_one_line_and_makes_nothing(
    words: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = keng(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert expected in done.stderr
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "words", [["--help"], ["policy", "explain", "H03-07/button-1", "--site", str(DEMO)], ["site", "check", "none.toml"]]
)
def test_a_reader_who_has_had_enough_is_no_error_to_be_told(words: list[str], tmp_path: Path) -> None:
    """keng ... | head -1"""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "keng", *words]
        done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    finally:
        os.close(writing)
    assert done.returncode in (1, 2)
    assert "Error" not in done.stderr
    assert "Broken pipe" not in done.stderr
