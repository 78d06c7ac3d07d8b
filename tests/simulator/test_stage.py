"""How a stage comes up, with real processes and light boards."""

import asyncio
from pathlib import Path

import pytest

from simulator import observer
from simulator.mqtt import Account, Client
from simulator.stage import Stage

BA_NHA = Path(observer.__file__).parent / "communes/ba-nha.toml"


class LateClient(Client):
    """Takes its time to connect."""

    async def connect(self, account: Account, **options: object) -> None:
        await asyncio.sleep(2.0)
        await super().connect(account)


def test_observer_that_comes_late_misses_no_hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "Client", LateClient)

    async def greeted() -> set[str]:
        async with Stage(BA_NHA, tmp_path, light=True) as stage:
            await stage.ready()
            return {device for device in stage.world.devices if stage.observer.is_greeted(device)}

    assert asyncio.run(greeted()) == {"H01-01", "H01-02", "H01-03", "DCC-001"}
