"""What the person at the desk orders: a command to the engine, and its answer."""

import asyncio
import logging
import secrets
from typing import Any, Literal, NamedTuple

from gateway.console.feed import Feed
from protocol import topics
from protocol.desk import Command

logger = logging.getLogger(__name__)

ANSWER_S = 5.0

Do = Literal["acknowledge", "on_the_way", "on_scene", "silence", "alarm_again", "called_114", "resolve", "roll_call"]
Outcome = Literal["fire", "false_alarm", "drill", "test"]


class Verdict(NamedTuple):
    """What became of a command. refused: `error` has the engine's words. no_broker: it was not sent.

    unanswered and cut_off: sent, and nobody knows whether it was carried out.
    """

    what: Literal["done", "refused", "no_broker", "unanswered", "cut_off"]
    error: str = ""


class Desk:
    """Sends commands in the name of people; `answer_s` is how long the engine may take."""

    def __init__(self, site: str, feed: Feed, *, answer_s: float = ANSWER_S) -> None:
        self._site = site
        self._feed = feed
        self._answer_s = answer_s

    async def order(self, user: str, do: Do, incident: str, version: int | None, **more: Any) -> Verdict:
        """Send the command of the person `user` and await its answer. `version` is the incident's as the person saw it; `more`: outcome,
        reason, home, says.
        """
        return await self.command(user, do=do, incident=incident, version=version, **more)

    async def command(self, user: str, **fields: Any) -> Verdict:
        """The same with any command: `fields` are those of protocol.desk.Command."""
        command = Command(id=f"c-{secrets.token_hex(8)}", t=self._feed.engine_ms(), **fields)
        about = command.incident or command.home or command.group
        answers = self._feed.answers
        answers[command.id] = asyncio.get_running_loop().create_future()
        try:
            if not self._feed.publish(topics.desk(self._site, user, "command"), command.payload()):
                return Verdict("no_broker")
            answer = await asyncio.wait_for(answers[command.id], self._answer_s)
        except TimeoutError:
            logger.warning("%s of %s by %s: no answer in %.0f s", command.do, about, user, self._answer_s)
            return Verdict("unanswered")
        except ConnectionResetError:
            return Verdict("cut_off")
        finally:
            del answers[command.id]
        logger.info("%s of %s by %s: %s", command.do, about, user, "done" if answer.ok else answer.error)
        return Verdict("done") if answer.ok else Verdict("refused", answer.error or "")


# What the engine says when it refuses, in words of the catalogue below `refused.`: people at a desk need no versions.
_REFUSALS = {
    "expected version": "changed",
    "expected a command of the last": "old",
    "expected somebody who may": "not_allowed",
    "expected a person": "not_allowed",
    "expected an incident that is not resolved": "over",
    "expected an incident that one can": "not_now",
    "expected a home of the roll call": "no_home",
}


def refusal(error: str) -> str:
    """Which refusal the engine's words are; "" for one that we do not know."""
    return next((key for words, key in _REFUSALS.items() if error.startswith(words)), "")
