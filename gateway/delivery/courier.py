"""The process that hands messages to Apprise: it knows Telegram, Zalo, mail, ntfy and more, and it blocks.

Apprise takes two seconds and 40 MiB to load its services, and its threads would hold the interpreter while an alarm waits. So it runs
beside the engine: one JSON object a line comes in, {"id", "url", "title", "body", "routine"}, and one goes out, {"id", "error"}, ""
for handed over.
Addresses carry tokens: they come through the pipe and not on the command line, and nothing of them goes out.
"""

import json
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import TextIO

import apprise

AT_ONCE, ROUTINE_AT_ONCE = 8, 2  # what is routine hangs in threads of its own
NICENESS = 5  # the engine comes first


def hand_over(url: str, title: str, body: str) -> str:
    """Why the service did not take the message, "" if it did. Never raises: what a plugin does wrong is an error of its service."""
    try:
        target = apprise.Apprise()
        if not target.add(url):
            return "expected an address that Apprise knows, got another"
        return "" if target.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT) else "the service did not take it"
    except Exception as exc:  # noqa: BLE001 - 170 plugins
        return f"the service's plugin failed: {type(exc).__name__}"


def work_off(answers: TextIO) -> None:
    """Work off stdin until it is closed, each answer to `answers`."""
    with suppress(OSError):  # a sandbox may forbid even that
        os.nice(NICENESS)
    logging.disable()  # what a plugin logs may hold what the engine shall not show
    answering = Lock()

    def work(line: str) -> None:
        request = json.loads(line)
        error = hand_over(request["url"], request["title"], request["body"])
        with answering:
            print(json.dumps({"id": request["id"], "error": error}), file=answers, flush=True)

    with ThreadPoolExecutor(AT_ONCE) as threads, ThreadPoolExecutor(ROUTINE_AT_ONCE) as routine:
        for line in sys.stdin:
            (routine if json.loads(line).get("routine") else threads).submit(work, line)


def main() -> None:
    """Work off stdin until it is closed; stdout is for answers alone."""
    with _stdout_alone() as answers:
        work_off(answers)


def _stdout_alone() -> TextIO:
    """What is stdout now, for answers alone. Some plugins print: that goes to stderr from here on, and never comes between two answers."""
    alone = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return alone


if __name__ == "__main__":
    main()
