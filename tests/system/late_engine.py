"""The engine with a wall clock that is ahead: `python -m tests.system.late_engine SECONDS --site F --settings F --data D`."""

import argparse
import asyncio
import time
from pathlib import Path

from gateway import logs, startup
from gateway.engine import run
from gateway.identity import accounts


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("ahead_s", type=float)
    for option in ("--site", "--settings", "--data"):
        parser.add_argument(option, type=Path, required=True)
    chosen = parser.parse_args()
    site, settings = startup.load(chosen.site, chosen.settings)
    account = accounts.load(chosen.data).account("engine")
    logs.to_stdout("text")
    asyncio.run(run(settings, site, account, database=chosen.data / "keng.db", clock=lambda: time.time() + chosen.ahead_s))


if __name__ == "__main__":
    main()
