"""Bundles on the gateway: taken in only if a trusted key has signed them, whole or not at all, told and taken away by `keng update`."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from typed import Done, keng

from firmware.bench.package import signed
from gateway import bundles
from gateway.bundles import NoBundle
from gateway.settings import Updates
from protocol.package import Package
from tests.keys import release_key

OLD = Package("0.1.0", "esp32_wroom", 1_795_305_600, {"main.mpy": b"M\x06old"})
NEW = Package("0.2.0", "esp32_wroom", 1_795_400_000, {"main.mpy": b"M\x06new"})


def write_public(path: Path, key: rsa.RSAPrivateKey) -> Path:
    path.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return path


class Room:
    """A data folder, and settings that trust some keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.data.mkdir()
        self.settings = folder / "keng.toml"
        self.trust(0, 1)

    def trust(self, *numbers: int) -> None:
        names = [write_public(self.folder / f"{number}.pub", release_key(number)) for number in numbers]
        self.settings.write_text(f"[updates]\ntrusted = {json.dumps([str(name) for name in names])}\n")

    def file(self, package: Package, key: int = 0) -> Path:
        path = self.folder / f"{package.version}.bundle"
        path.write_bytes(signed(package, release_key(key)))
        return path

    def update(self, *words: str | Path) -> Done:
        settings = () if words[0] == "remove" else ("--settings", self.settings)
        return keng("update", *words, *settings, "--data", self.data)

    @property
    def there(self) -> list[str]:
        return sorted(path.name for path in (self.data / "updates").glob("*"))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_what_either_trusted_key_has_signed_is_taken_in_listed_and_taken_away(room: Room) -> None:
    assert room.update("list").stdout == "no bundle yet: keng update add FILE\n"
    assert room.update("add", room.file(OLD)).returncode == 0
    done = room.update("add", room.file(NEW, 1), "--json")
    assert json.loads(done.stdout)["bundle"] == NEW.digest
    assert [line.split()[:2] for line in room.update("list").stdout.splitlines()] == [[NEW.digest, "0.2.0"], [OLD.digest, "0.1.0"]]
    assert room.there == sorted(f"{package.digest}.bundle" for package in (OLD, NEW))
    assert room.update("remove", NEW.digest).stdout == f"{NEW.digest}: taken away\n"
    assert room.there == [f"{OLD.digest}.bundle"]
    gone = room.update("remove", NEW.digest)
    assert (gone.returncode, f"got {NEW.digest}" in gone.stderr) == (2, True)


def test_anything_else_is_refused_and_leaves_nothing_behind(room: Room) -> None:
    foreign = room.update("add", room.file(NEW, 2))
    assert foreign.returncode == 2
    assert "0.2.0.bundle: package: expected the signature of a trusted key, got another" in foreign.stderr
    cut = room.file(OLD)
    cut.write_bytes(cut.read_bytes()[:-1])
    assert "expected 5 bytes of main.mpy with the header's hash, got 4 others" in room.update("add", cut).stderr
    cut.write_bytes(bytes(1_000_001))
    assert "expected a bundle of at most 1000000 bytes, got 1000001" in room.update("add", cut).stderr
    assert room.update("add", room.folder / "nowhere").returncode == 2
    assert room.there == []


def test_without_a_key_or_with_a_broken_one_there_are_no_updates(room: Room) -> None:
    room.settings.write_text("")
    done = room.update("add", room.file(NEW))
    assert (done.returncode, "updates.trusted: expected the public key of whoever signs bundles, got none" in done.stderr) == (2, True)
    (room.folder / "0.pub").write_text("no key")
    room.settings.write_text(f'[updates]\ntrusted = ["{room.folder / "0.pub"}", "{room.folder / "none"}"]\n')
    lines = room.update("list").stderr.splitlines()
    assert [line.partition(": expected ")[2][:14] for line in lines] == ["a public key i", "a file that ca"]


def test_a_bundle_of_a_retired_key_is_told_and_cannot_be_chosen_any_more(room: Room) -> None:
    room.update("add", room.file(OLD))
    room.trust(1)
    assert f"{OLD.digest}  cannot be used: package: expected the signature of a trusted key" in room.update("list").stdout
    trusted = bundles.keys(Updates(trusted=[room.folder / "1.pub"]))
    with pytest.raises(NoBundle, match="expected the signature of a trusted key"):
        bundles.find(room.data, OLD.digest, trusted)


def test_a_bundle_that_was_changed_where_it_lies_is_not_used(room: Room) -> None:
    room.update("add", room.file(OLD))
    path = room.data / "updates" / f"{OLD.digest}.bundle"
    path.write_bytes(room.file(NEW).read_bytes())
    trusted = bundles.keys(Updates(trusted=[room.folder / "0.pub"]))
    with pytest.raises(NoBundle, match=f"expected this bundle, got {NEW.digest}"):
        bundles.find(room.data, OLD.digest[:6], trusted)


@pytest.mark.parametrize("word", ["9.9.9", "zz", "", "../../etc/passwd"])
def test_a_word_that_means_no_bundle_or_several_is_refused_with_what_is_there(room: Room, word: str) -> None:
    room.update("add", room.file(OLD))
    room.update("add", room.file(NEW))
    trusted = bundles.keys(Updates(trusted=[room.folder / "0.pub"]))
    with pytest.raises(NoBundle, match=rf"there: .*{OLD.digest} \(0\.1\.0\)"):
        bundles.find(room.data, word, trusted)
    release, content = bundles.find(room.data, "0.2.0", trusted)
    assert (release.bundle, release.size, content) == (NEW.digest, len(content), signed(NEW, release_key(0)))


def test_a_gateway_keeps_so_many_and_no_more(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "KEPT_MAX", 1)
    assert room.update("add", room.file(OLD)).returncode == 0
    assert "expected fewer than 1 bundles" in room.update("add", room.file(NEW)).stderr
    assert room.update("add", room.file(OLD)).returncode == 0, "one that is there already takes no more room"


def test_waves_are_checked() -> None:
    for wave in ("0", "100%", "x", "-1", "1.5"):
        with pytest.raises(ValueError, match="expected a number of boards"):
            Updates(waves=[wave])
