"""Pieces of bundles to boards, while people change their minds."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import bundles, serving
from gateway.domain.campaigns import Campaign, Progress, Release
from gateway.domain.deadlines import Limits
from gateway.domain.situation import Situation
from gateway.rubbish import Rubbish
from gateway.serving import Serving, Ties
from gateway.store.store import open_store
from protocol import site as sites
from tests.gateway.brokers import DEMO

BUNDLE, BOARD = "0123456789abcdef", "H03-01"
FETCH = json.dumps({"v": 1, "id": "f-1", "bundle": BUNDLE, "offset": 0, "size": 4}).encode()


@pytest.fixture
def situation() -> Situation:
    """A campaign with one board, which fetches."""
    found = Situation(sites.load(DEMO), Limits(ring_max_ms=1_800_000, verify_ms=60_000))
    release = Release(BUNDLE, 8, "0.2.0", "esp32_wroom")
    found.campaign = Campaign(
        number=1, release=release, by="p", command="c", began_ms=0, sizes=(), downgrade=False, at_once=1, soak_s=0, within_s=60
    )
    found.updates = {BOARD: Progress(BOARD, "fetching", at_ms=0)}
    return found


def answers(folder: Path, situation: Situation, turns: int, between: Callable[[], None] = lambda: None) -> list[dict[str, object]]:
    """What a board is sent for so many fetches; `between` happens between them."""

    async def run(rubbish: Rubbish) -> list[dict[str, object]]:
        sent: list[dict[str, object]] = []
        clock = asyncio.get_running_loop().time
        ties = Ties(situation, rubbish, lambda _: None, lambda _, payload: sent.append(json.loads(payload)), lambda: True, clock, clock)
        pieces = Serving(folder, "xa-mau", 1000, ties)
        loop = asyncio.create_task(pieces.run())
        for turn in range(turns):
            if turn:
                between()
            pieces.take(BOARD, FETCH)
            async with asyncio.timeout(10):
                while len(sent) <= turn and not loop.done():  # noqa: ASYNC110 - what is waited for has no event
                    await asyncio.sleep(0.01)
        loop.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loop
        return sent

    async def whole() -> list[dict[str, object]]:
        async with open_store(folder / "keng.db") as store:
            return await run(Rubbish(store.reading))

    return asyncio.run(whole())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "updates").mkdir()
    (tmp_path / "updates" / f"{BUNDLE}.bundle").write_bytes(b"12345678")
    return tmp_path


def test_a_bundle_that_is_removed_is_sent_no_more_though_it_was_read(folder: Path, situation: Situation) -> None:
    first, second = answers(folder, situation, 2, lambda: bundles.remove(folder, BUNDLE))
    assert first["data"] == "MTIzNA=="
    assert "expected a bundle" in str(second["error"])


def test_a_campaign_that_ends_while_its_bundle_is_read_ends_nothing_else(
    folder: Path, situation: Situation, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bundles.content

    def content(data: Path, bundle: str) -> bytes:
        situation.updates = {}
        return whole(data, bundle)

    monkeypatch.setattr(serving.bundles, "content", content)
    (told,) = answers(folder, situation, 1)
    assert "not offered" in str(told["error"])
