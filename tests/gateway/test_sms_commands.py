"""`keng sms test` as a process, on the virtual modem."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from gateway.settings import Sms
from protocol.tomlfile import FileMistakes
from simulator.modem.device import VirtualModem
from simulator.modem.faults import Faults

NUMBER = "0901234567"
PHONE = "+84901234567"


def keng(
    folder: Path, *options: str, faults: Faults | None = None, number: str = NUMBER, text: str = ""
) -> tuple[int, str, str, VirtualModem]:
    """Exit code, output, errors, and the modem afterwards."""

    async def run() -> tuple[int, str, str, VirtualModem]:
        async with VirtualModem(folder / "modem", faults=faults) as modem:
            settings = folder / "keng.toml"
            settings.write_text(text or f'[sms]\nport = "{modem.path}"\nring_s = 5\nreport_s = 10\nsend_s = 2\n')
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "keng", "sms", "test", number, "--settings", str(settings), *options),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await asyncio.wait_for(process.communicate(), 60)
            assert process.returncode is not None
            return process.returncode, out.decode(), err.decode(), modem

    return asyncio.run(run())


def test_every_step_is_shown(tmp_path: Path) -> None:
    code, out, err, modem = keng(tmp_path)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()] == [["✓", step] for step in ("port", "modem", "network", "message", "report")]
    assert "KENG VIRTUAL-1 answers" in out
    assert "signal -73 dBm" in out
    ((to, words),) = modem.messages
    assert (to, words[:19]) == (PHONE, "THỬ TIN NHẮN: Kẻng.")


def test_as_json_and_with_a_call(tmp_path: Path) -> None:
    code, out, _, modem = keng(tmp_path, "--json", "--ring")
    answer = json.loads(out)
    assert (code, answer["ok"]) == (0, True)
    assert answer["steps"][-1]["name"] == "call"
    assert [call.number for call in modem.calls] == [PHONE]


@pytest.mark.parametrize(
    ("faults", "step", "words"),
    [
        (Faults(sim=False), "modem", "there is no SIM card"),
        (Faults(refuse_sends=[21]), "message", "often no credit"),
        (Faults(report_status=0x46), "report", "failed"),
    ],
)
def test_the_step_that_fails_is_named(tmp_path: Path, faults: Faults, step: str, words: str) -> None:
    code, out, _, _ = keng(tmp_path, faults=faults)
    assert code == 1
    assert out.splitlines()[-1].startswith(f"✕ {step}")
    assert words in out.splitlines()[-1]


def test_a_wrong_number_and_settings_without_a_modem_are_wrong_input(tmp_path: Path) -> None:
    code, _, err, modem = keng(tmp_path, number="114")
    assert code == 2
    assert "expected a Vietnamese phone number such as 0912 345 678, got '114'" in err
    assert modem.typed == []
    code, _, err, _ = keng(tmp_path, text="[sms]\n")
    assert code == 2
    assert "sms.port: expected a serial port" in err


@pytest.mark.parametrize("content", ["", "12", "12345678901", "abcd"])
def test_a_pin_file_without_a_pin_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "pin").write_text(content)
    with pytest.raises(FileMistakes, match=r"sms\.pin_file: expected 4 to 8 digits"):
        Sms(pin_file=tmp_path / "pin").pin()
    with pytest.raises(FileMistakes, match=r"sms\.pin_file: expected a file with a PIN that can be read"):
        Sms(pin_file=tmp_path / "nothing").pin()


def test_the_pin_is_what_the_file_holds(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("4711\n")
    assert (Sms(pin_file=tmp_path / "pin").pin(), Sms().pin()) == ("4711", "")


def test_a_power_command_belongs_to_the_power_that_runs_it() -> None:
    with pytest.raises(ValueError, match="expected a power_command"):
        Sms(power="command")
    with pytest.raises(ValueError, match="expected a power_command"):
        Sms(power_command=["uhubctl"])
