"""Backups: made beside a running engine, checked, and brought back."""

import asyncio
import json
import sqlite3
import stat
import subprocess
import sys
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from brokers import ROOT, wait_until
from engines import Town, free_port, mosquitto
from test_engine_disk import small_disk
from typed import keng

from gateway.console.people import book
from gateway.store import backup, queries
from gateway.store.store import FileInUse, open_store

NOW = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)


def made(folder: Path) -> Path:
    """A data folder with an empty database and accounts."""

    async def start() -> None:
        async with open_store(folder / "keng.db"):
            pass

    asyncio.run(start())
    (folder / "broker").mkdir()
    (folder / "broker/accounts.json").write_text('{"engine": "secret"}')
    return folder


def test_a_backup_beside_a_running_engine_brings_everything_back(tmp_path):
    port = free_port()
    with mosquitto(tmp_path, port):
        town = Town(tmp_path, port)
        try:
            town.start()
            events = [town.press(f"H03-{number:02d}", number) for number in (1, 2, 3)]
            wait_until(lambda: town.receipts("H03-03", events[2]), "receipts")
            file = tmp_path / "safe.tar.gz"
            contents = backup.make(town.database.parent, file)
            assert (contents.events, contents.incidents, contents.accounts) == (3, 1, False)
            town.press("H03-04", 4)
            wait_until(lambda: town.incident()["n"] == 4, "the engine goes on")
            before = town.of("gateway")[-1]["engine"]
            with pytest.raises(FileInUse, match="expected the engine to be stopped"):
                backup.restore(file, town.database.parent, replace=True, now=NOW)
            town.kill()
            backup.restore(file, town.database.parent, replace=True, now=NOW)
            town.start()
            assert [(each.n, each.state) for each in town.history()] == [(3, "open")]
            after = town.of("gateway")[-1]["engine"]
            assert after.split("-")[0] != before.split("-")[0], "a life of its own, so that no boot and no rev comes twice"
            # The board of the fourth press has its receipt and says no more of it; the alarm is still active and its birth tells so.
            town.birth("H03-04", active={"button-1": f"{events[0][:8]}-1-4"})
            wait_until(lambda: town.incident()["n"] == 4, "what is active counts")
        finally:
            town.close()


def test_only_its_owner_reads_a_backup(tmp_path):
    data, file = made(tmp_path / "data"), tmp_path / "safe.tar.gz"
    assert backup.make(data, file).accounts
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "safe.tar.gz"]


def test_a_backup_comes_into_an_empty_folder_with_its_accounts(tmp_path):
    file = tmp_path / "safe.tar.gz"
    backup.make(made(tmp_path / "data"), file)
    _, aside = backup.restore(file, tmp_path / "other", replace=False, now=NOW)
    assert aside is None
    assert json.loads((tmp_path / "other/broker/accounts.json").read_text()) == {"engine": "secret"}
    with closing(queries.connect(tmp_path / "other/keng.db")) as db:
        assert queries.incidents(db, limit=1) == []


def test_a_backup_brings_the_identity_back_and_nobody_else_reads_it(tmp_path):
    data, file = made(tmp_path / "data"), tmp_path / "safe.tar.gz"
    (data / "identity").mkdir(mode=0o700)
    for name in ("ca.pem", "ca.key", "broker.pem", "broker.key", "boards.json"):
        (data / "identity" / name).write_text(name)
        (data / "identity" / name).chmod(0o600)
    backup.make(data, file)
    backup.restore(file, tmp_path / "other", replace=False, now=NOW)
    found = {path.name: path.read_text() for path in (tmp_path / "other/identity").iterdir()}
    assert found == {name: name for name in found}
    assert len(found) == 5
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (tmp_path / "other/identity").rglob("*")} == {0}


def test_a_database_that_is_there_is_never_overwritten(tmp_path):
    data, file = made(tmp_path / "data"), tmp_path / "safe.tar.gz"
    backup.make(data, file)
    with pytest.raises(FileExistsError, match="--replace"):
        backup.restore(file, data, replace=False, now=NOW)
    with closing(sqlite3.connect(data / "keng.db")) as db:
        life = db.execute("SELECT life FROM engine").fetchone()
    _, aside = backup.restore(file, data, replace=True, now=NOW)
    assert aside == data / "keng.db.before-20261122-030405"
    with closing(sqlite3.connect(aside)) as db:
        assert db.execute("SELECT life FROM engine").fetchone() == life


def test_what_is_no_backup_is_refused_and_changes_nothing(tmp_path):
    data = made(tmp_path / "data")
    before = (data / "keng.db").read_bytes()
    empty, text, cut = tmp_path / "empty.tar.gz", tmp_path / "text.tar.gz", tmp_path / "cut.tar.gz"
    tarfile.open(empty, "w:gz").close()
    text.write_text("no archive")
    backup.make(data, cut)
    cut.write_bytes(cut.read_bytes()[:-200])
    for file in (empty, text, cut):
        with pytest.raises(backup.Unusable, match=f"{file.name}: expected a backup of keng, got"):
            backup.restore(file, data, replace=True, now=NOW)
    assert (data / "keng.db").read_bytes() == before


def test_an_archive_that_holds_a_link_under_a_files_name_is_refused(tmp_path):
    file = tmp_path / "linked.tar.gz"
    secret = tmp_path / "secret"
    secret.write_text("of somebody else")
    with tarfile.open(file, "w:gz") as archive:
        link = tarfile.TarInfo("keng.db")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(link)
    with pytest.raises(backup.Unusable, match="expected a backup of keng, got"):
        backup.restore(file, tmp_path / "data", replace=False, now=NOW)
    assert secret.read_text() == "of somebody else"


def test_a_damaged_database_gives_no_backup(tmp_path):
    data, file = made(tmp_path / "data"), tmp_path / "safe.tar.gz"
    bytes_ = bytearray((data / "keng.db").read_bytes())
    bytes_[4096:20_480] = b"\xff" * 16_384
    (data / "keng.db").write_bytes(bytes_)
    with pytest.raises(backup.Unusable, match=r"expected a .* got: "):
        backup.make(data, file)
    assert not file.exists()


def test_a_full_disk_is_told_as_that_and_leaves_nothing_behind(tmp_path):
    data, place = made(tmp_path / "data"), tmp_path / "usb"
    assert keng("backup", tmp_path / "safe.tar.gz", "--data", data).returncode == 0
    with small_disk(place, kb=64) as disk:
        for words in (["backup", place / "safe.tar.gz", "--data", data], ["restore", tmp_path / "safe.tar.gz", "--data", place]):
            command = [*disk.inside, sys.executable, "-m", "keng", *map(str, words)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
            told = f"keng {words[0]}: {place}: expected room for a copy, got a full disk; nothing was changed\n"
            assert (done.returncode, done.stderr) == (1, told)
            assert {path.name for path in disk.seen.iterdir()} <= {"keng.db.lock"}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["backup", "usb/safe.tar.gz", "--data", "data"], "usb: expected a folder for the backup, got none: is the disk mounted?"),
        (["restore", "none.tar.gz", "--data", "new"], "none.tar.gz: expected a backup of keng, got: No such file or directory"),
        (["restore", "safe.tar.gz", "--data", "safe.tar.gz"], "safe.tar.gz: expected a folder, got something else"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "data")
    Path("safe.tar.gz").write_text("hello")
    done = keng(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"{told}\n")
    assert len(done.stderr.splitlines()) == 1


def test_the_commands_say_what_they_did(tmp_path):
    data, file = made(tmp_path / "data"), tmp_path / "safe.tar.gz"
    done = keng("backup", file, "--data", data)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(
        f"{file}: written: 0 events, 0 incidents, 0 boards, with the broker's accounts, without accounts of the page, "
    )
    done = keng("restore", file, "--data", data)
    assert (done.returncode, done.stdout) == (1, "")
    assert "--replace sets it aside" in done.stderr
    done = keng("restore", file, "--data", tmp_path / "new", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["accounts"] is True
    assert keng("backup", file, "--data", tmp_path / "nowhere").returncode == 1


def test_a_folder_gets_a_backup_under_its_time_and_keeps_the_newest(tmp_path):
    data = made(tmp_path / "data")
    folder = tmp_path / "backups"
    folder.mkdir()
    for day in (1, 2, 3):
        (folder / f"keng-2026110{day}-033000.tar.gz").write_bytes(b"older")
    (folder / "keng-of-my-own.tar.gz").write_bytes(b"not ours")
    done = keng("backup", folder, "--keep", "2", "--data", data)
    assert done.returncode == 0, done.stderr
    left = backup.of_folder(folder)
    assert left[0].name == "keng-20261103-033000.tar.gz"
    assert len(left) == 2
    assert tarfile.is_tarfile(left[1])
    assert (folder / "keng-of-my-own.tar.gz").exists()


def test_a_backup_that_fails_deletes_no_older_one(tmp_path):
    older = tmp_path / "keng-20261101-033000.tar.gz"
    older.write_bytes(b"older")
    assert keng("backup", tmp_path, "--keep", "1", "--data", tmp_path / "nowhere").returncode == 1
    assert older.exists()


def test_a_disk_that_is_not_mounted_gets_no_file_in_its_place(tmp_path):
    done = keng("backup", tmp_path / "usb", "--data", made(tmp_path / "data"))
    told = f"{tmp_path / 'usb'}: expected a folder that is there, or a name such as keng-2026-11-22.tar.gz\n"
    assert (done.returncode, done.stderr) == (2, told)
    assert not (tmp_path / "usb").exists()


def test_keep_needs_a_folder(tmp_path):
    done = keng("backup", tmp_path / "safe.tar.gz", "--keep", "2", "--data", tmp_path)
    assert (done.returncode, done.stderr) == (2, f"--keep: expected a folder that is there, got {tmp_path / 'safe.tar.gz'}\n")


def console_database(path: Path, *people: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with book.opened(path) as own:
        for person in people:
            asyncio.run(own.write(partial(_account, person)))


def _account(person: str, db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO account VALUES (?, 'hash', 1, 1)", (person,))
    db.execute("INSERT INTO session VALUES (?, ?, 1, 1, '', '')", (person.encode(), person))


def accounts_in(path: Path) -> tuple[list[str], int]:
    with closing(sqlite3.connect(path)) as db:
        people = [row[0] for row in db.execute("SELECT id FROM account ORDER BY id")]
        return people, db.execute("SELECT count(*) FROM session").fetchone()[0]


def test_accounts_of_the_page_come_along_and_nobody_is_logged_in(tmp_path):
    """In the folder beside the data, as on an installed gateway; what was there stays under another name."""
    data, file = made(tmp_path / "keng"), tmp_path / "safe.tar.gz"
    console_database(tmp_path / "keng-console/console.db", "chief-1", "truc-ban-1")
    assert keng("backup", file, "--data", data, "--json").returncode == 0
    console_database(tmp_path / "other-console/console.db", "quan-tri")
    done = keng("restore", file, "--data", tmp_path / "other", "--json")
    assert json.loads(done.stdout)["people"] == 2
    assert accounts_in(tmp_path / "other-console/console.db") == (["chief-1", "truc-ban-1"], 0)
    (aside,) = (tmp_path / "other-console").glob("console.db.before-*[0-9]")
    assert accounts_in(aside) == (["quan-tri"], 1)
    assert not (tmp_path / "other/console.db").exists()


def test_settings_that_put_the_accounts_elsewhere_are_followed(tmp_path):
    data, file = made(tmp_path / "keng"), tmp_path / "safe.tar.gz"
    console_database(tmp_path / "elsewhere/people.db", "chief-1")
    here, there = (tmp_path / f"{name}.toml" for name in ("here", "there"))
    here.write_text(f'[console]\ndatabase = "{tmp_path}/elsewhere/people.db"\n')
    there.write_text(f'[console]\ndatabase = "{tmp_path}/there/people.db"\n')
    assert "1 accounts of the page" in keng("backup", file, "--data", data, "--settings", here).stdout
    done = keng("restore", file, "--data", tmp_path / "other", "--settings", there)
    assert "1 accounts of the page" in done.stdout
    assert accounts_in(tmp_path / "there/people.db") == (["chief-1"], 0)


def test_a_console_that_has_not_begun_yet_takes_no_accounts_away(tmp_path):
    data, file = made(tmp_path / "keng"), tmp_path / "safe.tar.gz"
    (data / "console.db").touch()
    assert "without accounts of the page" in keng("backup", file, "--data", data).stdout
    console_database(tmp_path / "other/console.db", "quan-tri")
    assert keng("restore", file, "--data", tmp_path / "other").returncode == 0
    assert accounts_in(tmp_path / "other/console.db") == (["quan-tri"], 1)


def test_accounts_are_not_swapped_under_a_running_console(tmp_path):
    data, file = made(tmp_path / "keng"), tmp_path / "safe.tar.gz"
    console_database(data / "console.db", "chief-1")
    assert keng("backup", file, "--data", data).returncode == 0
    other = tmp_path / "other"
    console_database(other / "console.db", "quan-tri")
    with book.opened(other / "console.db"):
        done = keng("restore", file, "--data", other)
    assert (done.returncode, (other / "keng.db").exists()) == (1, False)
    assert f"{other / 'console.db'}: expected the console to be stopped, got one that runs" in done.stderr
    assert keng("restore", file, "--data", other).returncode == 0
    assert accounts_in(other / "console.db")[0] == ["chief-1"]


def test_a_damaged_database_of_accounts_takes_nothing_else_from_a_backup(tmp_path):
    data, folder = made(tmp_path / "keng"), tmp_path / "safe"
    folder.mkdir()
    (folder / "keng-20261121-033000.tar.gz").touch()
    (data / "console.db").write_bytes(b"no database" * 1000)
    done = keng("backup", folder, "--keep", 1, "--data", data)
    assert done.returncode == 1
    assert "expected a sound database, got" in done.stderr
    old, new = backup.of_folder(folder)
    assert old.stat().st_size == 0, "the one before may have them"
    assert keng("restore", new, "--data", tmp_path / "other").returncode == 0
