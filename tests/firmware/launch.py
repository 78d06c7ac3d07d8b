# The launcher as the bench writes it, on LittleFS, with versions of all kinds. MicroPython only. The environment: BOOT and MAIN are files.
import os
import sys

import vfs
from nor import Flash

happened = []


class Machine:
    class WDT:
        def __init__(self, timeout):
            happened.append("watchdog")

    @staticmethod
    def reset():
        happened.append("reset")


def text(name):
    with open(os.getenv(name)) as file:
        return file.read()


BOOT, MAIN = text("BOOT"), text("MAIN").replace("time.sleep(1)", "")
OURS = list(sys.path)
sys.modules["machine"] = Machine
micropython = sys.modules["micropython"] = type("Micropython", (), {"kbd_intr": staticmethod(lambda letter: None)})
note = "import sys; sys.modules['noted'].append(%r)\n"
sys.modules["noted"] = happened
GOOD = (note % "boot", note % "main")
RAISES = (note % "boot" + "raise ValueError('boot')\n", "raise ValueError('main')\n")
NO_CODE = ("this is no Python", "nor is this")


def put(path, data):
    with open(path, "wb" if type(data) is bytes else "w") as file:
        file.write(data)


def board(use, **versions):
    """A flash with the line `use`, or none; each version is (boot, main)."""
    vfs.umount("/")
    flash = Flash(16)
    vfs.VfsLfs2.mkfs(flash)
    vfs.mount(vfs.VfsLfs2(flash), "/")
    os.mkdir("/app")
    put("/provisioned", "")
    if use is not None:
        put("/app/use", use)
    for folder, (boot, main) in versions.items():
        os.mkdir("/app/" + folder)
        put("/app/%s/boot.py" % folder, boot)
        put("/app/%s/main.py" % folder, main)


def start():
    """What happens at a start, and the line then."""
    del happened[:]
    sys.path[:] = OURS
    for name in ("boot", "main"):
        sys.modules.pop(name, None)
    for source in (BOOT, MAIN):
        exec(source, {"__name__": "__main__"})
    ran = [path for path in sys.path if path.startswith("/app/")]
    try:
        with open("/app/use") as file:
            return list(happened), ran[0][-1], file.read()
    except (OSError, ValueError):
        return list(happened), ran[0][-1], None


board("b kept 0 1 0123456789abcdef o-1", a=RAISES, b=GOOD)
assert start() == (["boot", "main"], "b", "b kept 0 1 0123456789abcdef o-1")

for wrong in (RAISES, NO_CODE):
    board("b trial 0 1 0123456789abcdef o-1", a=GOOD, b=wrong)
    for count in (1, 2, 3):
        done, folder, line = start()
        assert done[0] == "watchdog", done
        assert done[-1] == "reset", done
        assert (folder, line) == ("b", "b trial %d 1 0123456789abcdef o-1" % count)
    for watched in (["watchdog"], []):
        assert start() == (watched + ["boot", "main"], "a", "a failed 3 1 0123456789abcdef o-1")

# A version that hangs, even where it is imported, does so with the watchdog on: the same three starts.
board("b trial 0 1 0123456789abcdef o-1", a=GOOD, b=("", ""))
put("/app/b/boot.py", "import sys\n" + note % "hangs")
assert start()[0] == ["watchdog", "hangs"]

# Without the line, or with one that nobody can read, a folder that is whole.
for line in (None, "", "c kept", "b", "b trial x 1", b"\xff\xfe b"):
    board(line, a=RAISES, b=GOOD)
    put("/app/b/verified", "0123456789abcdef 0.2.0")
    done, folder, _ = start()
    assert (done[-2:], folder) == (["boot", "main"], "b"), line
board(None, a=GOOD)
assert start()[:2] == (["boot", "main"], "a")

# Before the bench has tried it, nothing runs.
board("a kept", a=GOOD)
os.remove("/provisioned")
assert start()[0] == []
print("ok")
