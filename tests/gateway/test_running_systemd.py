"""keng install on a systemd that runs: in a machine of its own namespaces, on a copy of this one's files that is gone afterwards.

Nothing of this machine is changed: mounts, processes, network and names are the namespaces', what is written goes into memory.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.brokers import DEMO, ROOT, wait_until

pytestmark = pytest.mark.long
PYTHON = Path("/usr/bin/python3")
TOOLS = ("unshare", "nsenter", "systemctl", "mosquitto", "nft", "setpriv", "ip")
SYSTEMD = Path("/lib/systemd/systemd")
# What a machine without hardware has no use for; the distribution's own mosquitto is for `keng install` to switch off.
MASKED = (
    "systemd-udevd systemd-udev-trigger systemd-modules-load systemd-resolved systemd-networkd systemd-timesyncd getty@tty1 console-getty"
)
BOOT = """
set -e
memory=$1 packages=$2 sources=$3
mount -t tmpfs -o size=3g none "$memory"
mkdir "$memory/upper" "$memory/work" "$memory/root"
mount -t overlay none -o "lowerdir=/,upperdir=$memory/upper,workdir=$memory/work" "$memory/root"
root="$memory/root"
python3 -m venv --without-pip "$root/opt/keng"
target=$(echo "$root"/opt/keng/lib/python3.*/site-packages)
leave="--exclude=playwright --exclude=mypy* --exclude=ruff --exclude=__editable__* --exclude=hypothesis"
(set -f; tar cf - -C "$packages" $leave .) | tar xf - -C "$target"
cp -r "$sources"/gateway "$sources"/protocol "$sources"/firmware "$sources"/simulator "$sources"/keng.py "$target/"
printf '#!/opt/keng/bin/python3\\nimport keng\\nkeng.main()\\n' > "$root/opt/keng/bin/keng"
chmod 755 "$root/opt/keng/bin/keng"
mkdir "$root/srv/keng"
cp "$4" "$root/srv/keng/site.toml"
printf '[broker]\\nkind = "mosquitto"\\nhost = "0.0.0.0"\\nport = 8883\\n' > "$root/srv/keng/keng.toml"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs none "$root/run"
mount -t tmpfs none "$root/tmp"
mount -t cgroup2 none "$root/sys/fs/cgroup"
echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
ln -sf /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
for unit in $5; do ln -sf /dev/null "$root/etc/systemd/system/$unit.service"; done
mkdir "$root/old"
cd "$root"
pivot_root . old
umount -l /old
mount --make-rshared /
export container=test
exec /lib/systemd/systemd
"""


class Machine:
    """`run` a command in it."""

    def __init__(self, pid: int) -> None:
        self._enter = ["nsenter", "-t", str(pid), "-m", "-p", "-u", "-i", "-C", "-n", "-r", "-w", "env", "-i"]
        self._enter += ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/keng/bin", "LANG=C.UTF-8", "HOME=/root"]

    def run(self, *words: str, code: int | None = 0) -> str:
        """What it prints. `code`: how it must end, None: anyhow."""
        done = subprocess.run([*self._enter, *words], capture_output=True, text=True, timeout=120, check=False)
        assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def shown(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "-p", name, unit).strip()


def missing() -> str:
    """Why this cannot be done here, "" if it can."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    if os.geteuid() != 0 or not SYSTEMD.exists() or (absent := [tool for tool in TOOLS if shutil.which(tool, path=path) is None]):
        return f"needs root, systemd and {', '.join(TOOLS)}" + (f"; not there: {absent}" if os.geteuid() == 0 and SYSTEMD.exists() else "")
    here = subprocess.run([PYTHON, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=False).stdout
    if here.strip() != str(sys.version_info[:2]):
        return f"needs the packages for {PYTHON}, which is {here.strip()}: make test PYTHON={PYTHON}"
    overlay = "mount -t overlay none -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/m"
    attempt = f"mount -t tmpfs none /mnt && mkdir /mnt/u /mnt/w /mnt/m && {overlay}"
    tried = subprocess.run(["unshare", "-m", "-p", "-f", "-n", "-C", "sh", "-c", attempt], capture_output=True, text=True, check=False)
    return f"needs namespaces and overlay mounts: {tried.stderr.strip()}" if tried.returncode else ""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if why := missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("machine")
    memory = folder / "memory"
    memory.mkdir()
    words = [str(memory), sysconfig.get_paths()["purelib"], str(ROOT), str(DEMO), MASKED]
    namespaces = ["unshare", "-m", "-p", "-f", "-u", "-i", "-C", "-n", "--kill-child", "--propagation", "private"]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*namespaces, "sh", "-c", BOOT, "boot", *words], env=environment, stdout=log, stderr=log)
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(lambda: process.poll() is not None or children.read_text(), "a process")
        found = Machine(int(children.read_text()))
        wait_until(lambda: _is_up(process, found), f"systemd: {(folder / 'log').read_text()}")
        found.run("ip", "link", "set", "lo", "up")
        yield found
    finally:
        process.kill()
        process.wait()


def _is_up(process: subprocess.Popen[bytes], machine: Machine) -> bool:
    assert process.poll() is None, "it has ended"
    return machine.run("systemctl", "is-system-running", code=None).strip() in ("running", "degraded")


PARTS = ("keng-broker", "keng-engine", "keng-console")
FILES = ("--site", "/srv/keng/site.toml", "--settings", "/srv/keng/keng.toml")


def test_a_gateway_is_installed_runs_outlives_what_befalls_it_and_is_taken_away(machine: Machine) -> None:
    assert "expected an identity for an address that others reach" in machine.run("keng", "install", *FILES, code=2)
    machine.run("keng", "install", *FILES, "--no-start")
    as_keng = ("setpriv", "--reuid", "keng", "--regid", "keng", "--init-groups")
    machine.run(*as_keng, "keng", "identity", "init", "--site", "/etc/keng/site.toml", "--data", "/var/lib/keng")
    machine.run("systemctl", "start", "keng-firewall", "keng.target")
    wait_until(lambda: _works(machine), "every part")
    assert "tcp dport 8883 accept" in machine.run("nft", "list", "table", "inet", "keng")

    assert {part: _policy(machine, part) for part in PARTS} == {
        part: os.SCHED_RR if part != "keng-console" and _may_go_first(machine, part) else os.SCHED_OTHER for part in PARTS
    }

    states = _found(machine)
    for part in ("broker", "engine"):
        assert states[f"{part}'s priority"] == ("ok" if _policy(machine, f"keng-{part}") == os.SCHED_RR else "warn")

    machine.run("keng", "people", "invite", "quan-tri", "--site", "/etc/keng/site.toml", "--data", "/var/lib/keng")
    machine.run("systemctl", "start", "keng-backup.service")
    assert "with the broker's accounts, 0 accounts of the page" in machine.run("journalctl", "-u", "keng-backup", "-o", "cat")

    broker = machine.shown("keng-broker", "MainPID")
    machine.run("systemctl", "reload", "keng-broker")
    assert machine.shown("keng-broker", "MainPID") == broker
    for number, signal in enumerate(("-KILL", "-STOP"), 1):  # the second for the watchdog
        machine.run("kill", signal, machine.shown("keng-engine", "MainPID"))
        wait_until(lambda number=number: machine.shown("keng-engine", "NRestarts") == str(number), f"a start after {signal}")  # type: ignore[misc]
        wait_until(lambda: _works(machine), f"every part after {signal}")

    machine.run("systemctl", "stop", "keng.target")
    machine.run("systemctl", "stop", *PARTS)
    copy = machine.run("sh", "-c", "ls /var/backups/keng/*").split()[-1]
    assert "15 boards" in machine.run("keng", "restore", copy, "--data", "/var/lib/keng", "--replace")
    machine.run("keng", "install")
    wait_until(lambda: _works(machine), "every part after a restore")

    machine.run("keng", "uninstall")
    assert machine.run("systemctl", "list-units", "--no-legend", "keng*") == ""
    machine.run("test", "-e", "/var/lib/keng/keng.db")
    machine.run("keng", "uninstall", "--purge", "--yes")
    machine.run("test", "!", "-e", "/var/lib/keng")


def _policy(machine: Machine, part: str) -> int:
    """By which rule Linux gives it the processor: the 41st field, proc(5)."""
    said = machine.run("cat", f"/proc/{machine.shown(part, 'MainPID')}/stat")
    return int(said.rpartition(")")[2].split()[38])


def _may_go_first(machine: Machine, part: str) -> bool:
    """Whether its unit's LimitRTPRIO was granted: a sandbox may have nothing to grant."""
    lines = machine.run("cat", f"/proc/{machine.shown(part, 'MainPID')}/limits").splitlines()
    return any(line.startswith("Max realtime priority") and line.split()[3] != "0" for line in lines)


def _found(machine: Machine) -> dict[str, str]:
    """What the doctor looks at, and how it is."""
    said = machine.run("keng", "doctor", "--json", code=None)
    try:
        return {one["what"]: one["state"] for one in json.loads(said)["findings"]}
    except ValueError:
        raise AssertionError(said) from None


def _works(machine: Machine) -> bool:
    """Whether the doctor finds services, broker, engine and page as they should be."""
    found = _found(machine)
    wanted = (*(f"{part}.service" for part in PARTS), "broker", "engine", "console", "database")
    return all(found.get(what) in ("ok", "warn") for what in wanted)
