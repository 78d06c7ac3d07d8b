"""keng install and keng uninstall, with the system's own tools, on an image below a folder."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from brokers import DEMO
from typed import keng

from gateway.installation import firewall, units
from gateway.installation.layout import Layout
from gateway.settings import Settings

PROGRAM = "/opt/keng/bin/keng"
SERVICES = ("broker", "engine", "console", "backup", "firewall")
TOOLS = ("systemd-sysusers", "systemd-tmpfiles", "systemctl", "systemd-analyze")
UNITS = Path("etc/systemd/system")

needs_systemd = pytest.mark.skipif(
    os.geteuid() != 0 or any(shutil.which(tool) is None for tool in TOOLS), reason="needs root and systemd's tools"
)


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file() and not path.is_symlink()}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "image" / UNITS).mkdir(parents=True)
    return tmp_path / "image"


@pytest.fixture
def installed(image: Path) -> Path:
    done = keng("install", "--site", str(DEMO), "--program", PROGRAM, "--root", str(image))
    assert done.returncode == 0, done.stderr
    return image


@needs_systemd
def test_users_folders_files_and_services_are_there(installed: Path) -> None:
    names = {line.split(":")[0]: line.split(":") for line in (installed / "etc/passwd").read_text().splitlines()}
    groups = {line.split(":")[0]: line.split(":") for line in (installed / "etc/group").read_text().splitlines()}
    assert {"keng", "keng-console"} <= set(names)
    assert "keng-console" in groups["keng"][3].split(",")
    site = (installed / "etc/keng/site.toml").stat()
    assert (stat.S_IMODE(site.st_mode), site.st_uid, site.st_gid) == (0o640, 0, int(groups["keng"][2]))
    for folder, mode, user in (("keng", 0o750, "keng"), ("keng/broker", 0o700, "keng"), ("keng-console", 0o750, "keng-console")):
        found = (installed / "var/lib" / folder).stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid) == (mode, int(names[user][2])), folder
    accounts = (installed / "var/lib/keng-console/console.db").stat()
    assert (stat.S_IMODE(accounts.st_mode), accounts.st_gid) == (0o640, int(groups["keng-console"][2])), "for the nightly copy"
    assert "SupplementaryGroups=keng-console\n" in (installed / UNITS / "keng-backup.service").read_text()
    wanted = {path.name for path in (installed / UNITS / "keng.target.wants").iterdir()}
    assert wanted == {"keng-broker.service", "keng-engine.service", "keng-console.service", "keng-backup.timer"}
    assert {path.name for path in (installed / UNITS / "multi-user.target.wants").iterdir()} == {"keng.target", "keng-firewall.service"}


@needs_systemd
def test_installing_again_changes_nothing_and_a_new_site_sets_the_old_one_aside(installed: Path, tmp_path: Path) -> None:
    before = files(installed)
    assert keng("install", "--program", PROGRAM, "--root", str(installed)).returncode == 0
    assert files(installed) == before
    site = tmp_path / "site.toml"
    site.write_text(DEMO.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    assert keng("install", "--site", str(site), "--program", PROGRAM, "--root", str(installed)).returncode == 0
    assert (installed / "etc/keng/site.toml").read_bytes() == site.read_bytes()
    assert (installed / "etc/keng/site.toml.before").read_bytes() == DEMO.read_bytes()


@needs_systemd
def test_uninstalling_leaves_what_people_wrote_and_purge_leaves_nothing(installed: Path) -> None:
    (installed / "var/lib/keng/keng.db").write_bytes(b"what the commune lived through")
    done = keng("uninstall", "--root", str(installed))
    assert done.returncode == 0, done.stderr
    ours = {name for name in files(installed) if "keng" in name}
    assert ours == {"etc/keng/site.toml", "etc/keng/keng.toml", "var/lib/keng/keng.db", "var/lib/keng-console/console.db"}
    assert list(installed.rglob("*.wants/keng*")) == []
    done = keng("uninstall", "--purge", "--yes", "--root", str(installed))
    assert done.returncode == 0, done.stderr
    assert {name for name in files(installed) if "keng" in name} == set()
    assert not (installed / "var/lib/keng").exists()


@needs_systemd
def test_a_gateway_that_gets_its_identity_afterwards_is_furnished_and_not_started(image: Path, tmp_path: Path) -> None:
    """As docs/install.md has it: nobody is there who could make an identity before the users and folders are."""
    settings = tmp_path / "keng.toml"
    settings.write_text('[broker]\nkind = "mosquitto"\nhost = "0.0.0.0"\nport = 8883\n')
    words = ["install", "--site", str(DEMO), "--settings", str(settings), "--program", PROGRAM, "--root", str(image)]
    refused = keng(*words)
    assert refused.returncode == 2
    assert "first keng install --no-start, then sudo -u keng keng identity init --site /etc/keng/site.toml --data" in refused.stderr
    assert keng(*words, "--no-start").returncode == 0


@needs_systemd
def test_dry_run_says_what_would_be_done_and_does_nothing(image: Path) -> None:
    done = keng("install", "--site", str(DEMO), "--program", PROGRAM, "--root", str(image), "--dry-run")
    assert done.returncode == 0
    assert "would: unit keng-engine.service\n" in done.stdout
    assert files(image) == {}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--site", "nowhere.toml"], 2, "nowhere.toml: expected a file that can be read"),
        ([], 2, "keng install: expected --site FILE at the first time, got nothing"),
        (["--site", str(DEMO), "--program", "keng"], 2, "--program: expected an absolute path, such as /opt/keng/bin/keng, got keng"),
        (["--site", str(DEMO), "--program", "/home/pi/keng"], 1, "expected keng where services see it, such as /opt/keng/bin/keng"),
        (["--site", str(DEMO), "--ssh-port", "0"], 2, "--ssh-port"),
        (["--site", str(DEMO), "--settings", "port.toml"], 2, "settings: console.port: expected 1024 or more, got 443"),
        (
            ["--site", str(DEMO), "--settings", "host.toml"],
            2,
            "settings: broker.host: expected an identity for an address that others reach",
        ),
    ],
)
def test_wrong_input_is_said_before_anything_is_changed(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("port.toml").write_text("[console]\nport = 443\n")
    Path("host.toml").write_text('[broker]\nkind = "mosquitto"\nhost = "0.0.0.0"\nport = 8883\n')
    program = [] if "--program" in arguments else ["--program", PROGRAM]
    done = keng("install", "--root", str(image), *program, *arguments)
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert files(image) == {}


@needs_systemd
@pytest.mark.parametrize("modem", [False, True])
def test_systemd_finds_nothing_wrong_with_the_units_and_little_that_they_may_do(tmp_path: Path, modem: bool) -> None:
    program = tmp_path / "keng"
    program.symlink_to(sys.executable)
    made = units.all_units(Layout(program), modem=modem, firewall=True, power=modem)
    for name, text in made.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    nft = Path("/usr/sbin/nft").exists()
    names = [name for name in made if nft or name != "keng-firewall.service"]
    verified = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in names)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    for service in SERVICES:
        limit = 50 if service == "firewall" else 25  # tenths: 100 may do everything
        weighed = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", f"--threshold={limit}", str(tmp_path / f"keng-{service}.service")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert weighed.returncode == 0, weighed.stdout.splitlines()[-1]


@pytest.mark.parametrize("command", [["install", "--site", str(DEMO), "--program", PROGRAM], ["uninstall", "--purge", "--yes"]])
def test_an_image_that_is_not_there_is_furnished_nowhere(tmp_path: Path, command: list[str]) -> None:
    done = keng(*command, "--root", tmp_path / "card")
    told = f"--root: expected a folder that is there, such as a mounted SD card, got {tmp_path / 'card'}\n"
    assert (done.returncode, done.stderr) == (2, told)
    assert not (tmp_path / "card").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_purging_an_image_names_the_folders_of_the_image(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("typer.confirm", asked.append)
    assert keng("uninstall", "--purge", "--root", image).returncode == 1
    assert asked[0].startswith(f"Delete {image}/etc/keng, {image}/var/lib/keng, ")


def test_only_what_an_alarm_passes_through_may_go_before_everything_else() -> None:
    made = units.all_units(Layout(Path("/usr/bin/keng")), modem=False, firewall=True)
    lines = {name: text.splitlines() for name, text in made.items() if name.endswith(".service")}
    assert {name for name, found in lines.items() if "LimitRTPRIO=1" in found} == {"keng-broker.service", "keng-engine.service"}
    for name, found in lines.items():
        forward = [found.index(line) for line in ("RestrictRealtime=no", "SystemCallFilter=sched_setscheduler") if line in found]
        assert len(forward) == 2 * ("LimitRTPRIO=1" in found)
        if forward:  # systemd takes the later word
            assert min(forward) > max(found.index("RestrictRealtime=yes"), found.index("SystemCallFilter=~@privileged @resources")), name


def test_only_what_the_network_needs_is_open() -> None:
    assert firewall.doors(Settings(), (22,)) == {22: "ssh"}
    assert firewall.doors(Settings(), (22, 2222)) == {22: "ssh", 2222: "ssh"}
    assert "tcp dport 22 accept" in firewall.rules(Settings())
    assert "tcp dport 1883" not in firewall.rules(Settings())
    files = {"certificate": "page.pem", "key": "page.key"}
    outward = Settings.model_validate(
        {"broker": {"kind": "mosquitto", "host": "0.0.0.0", "port": 8883}, "console": {"host": "0.0.0.0", "port": 8443, **files}}
    )
    assert firewall.doors(outward, (22,)) == {22: "ssh", 8883: "MQTT of the boards", 8443: "the duty desk"}
    assert "tcp dport 8884" not in firewall.rules(outward), "programs speak from this machine"
    elsewhere = Settings.model_validate({"broker": {"kind": "external", "host": "10.0.0.1", "port": 8883}})
    assert firewall.doors(elsewhere, (22,)) == {22: "ssh"}


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/usr/sbin/nft").exists(), reason="needs root and nftables")
def test_nftables_accepts_the_rules(tmp_path: Path) -> None:
    file = tmp_path / "firewall.nft"
    file.write_text(firewall.rules(Settings()), encoding="utf-8")
    checked = subprocess.run(["/usr/sbin/nft", "--check", "--file", str(file)], capture_output=True, text=True, timeout=30, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
