"""What the parts write to stdout."""

import json
import logging
import subprocess
import sys

import pytest

from gateway.logs import JsonLines


def line(text: str, *values: object, error: bool = False, **extra: object) -> dict[str, object]:
    info = None
    if error:
        problem = OSError("modem gone")
        info = (OSError, problem, None)
    record = logging.getLogger("gateway.x").makeRecord("gateway.x", logging.WARNING, __file__, 1, text, values, info, extra=extra or None)
    written = JsonLines().format(record)
    assert "\n" not in written
    return json.loads(written)


def test_a_record_is_an_object_with_its_values():
    found = line("device %s silent for %d s", "H03-07", 80)
    assert found.pop("time").endswith("+00:00")
    assert found == {
        "level": "warning",
        "logger": "gateway.x",
        "text": "device H03-07 silent for 80 s",
        "values": ["H03-07", 80],
    }


def test_what_the_writer_adds_is_there_too():
    assert line("opened", incident="2026-000001")["incident"] == "2026-000001"


def test_a_traceback_stays_on_the_line():
    assert "OSError: modem gone" in line("no modem", error=True)["error"]


@pytest.mark.parametrize("value", [b"\xff", object(), 'a"\n\\', "Kẻng"])
def test_any_value_can_be_written(value):
    assert line("got %s", value)["text"] == f"got {value}"


RUN = """
import logging
from gateway import logs
logs.to_stdout("%s")
logging.getLogger("gateway.x").info("chào %%s", "xã")
logging.debug("not this")
"""


@pytest.mark.parametrize("chosen", ["text", "json"])
def test_both_formats_go_to_stdout(chosen):
    done = subprocess.run([sys.executable, "-c", RUN % chosen], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    (written,) = done.stdout.splitlines()
    if chosen == "json":
        assert json.loads(written)["text"] == "chào xã"
    else:
        assert written.endswith("INFO gateway.x: chào xã")
