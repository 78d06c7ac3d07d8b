"""The channels `sms` and `voice`: a loop for each over its queue, on one modem.

A message is sent at least once: that it is about to be sent is on the disk before, so that after a kill -9 between hand-over and record
it goes again, and the second one says so, to the reader and in the record.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from gateway.delivery.queue import AGAIN, UNSURE, Backoff, Queue
from gateway.delivery.sms import pdu, replies, text
from gateway.delivery.sms.calls import Call
from gateway.delivery.sms.line import NoAnswer, Refused
from gateway.delivery.sms.pdu import Deliver, StatusReport
from gateway.delivery.sms.reports import Reports, Verdict
from gateway.delivery.sms.station import Station
from gateway.domain import wording
from gateway.domain.replies import Reply
from gateway.domain.rows import DeliveryRow
from gateway.settings import Sms
from gateway.store.journal import Outgoing
from protocol.site import Site

logger = logging.getLogger(__name__)

SMS_RETRY = Backoff(first_s=5.0, longest_s=300.0, tries_max=10)
VOICE_RETRY = Backoff(first_s=15.0, longest_s=120.0, tries_max=4)
FAULT = "sms"  # the key under which the modem's faults are known
OVERDUE_S = 5.0
SETTLE_S = 2.0


class Ties(NamedTuple):
    """What the engine gives a channel: whom to tell how far a message is, of an answer, of a fault (None: well again); what returns once
    all that was told is decided, True if it is on the disk; and whom to tell that a channel has proved itself.
    """

    tried: Callable[[DeliveryRow], None]
    replied: Callable[[Reply], None]
    fault: Callable[[str, str | None], None]
    settled: Callable[[], Awaitable[bool]]
    proved: Callable[[str], None] = lambda _: None


class SmsLoop:
    """The channel `sms`. `handed`: the messages of an earlier start whose reports may come still."""

    def __init__(
        self,
        settings: Sms,
        site: Site,
        ties: Ties,
        handed: list[Outgoing],
        *,
        retry: Backoff = SMS_RETRY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.queue = Queue("sms", ties.tried, retry, clock=clock)
        self.station = Station(settings, settings.pin(), self._came, lambda words: ties.fault(FAULT, words), lambda: ties.proved("voice"))
        self._settings = settings
        self._site = site
        self._ties = ties
        self._clock = clock
        self._reports = Reports(patience_ms=settings.report_s * 1000)
        self._reference = 0
        for message in handed:
            self._reports.wait_for(message)

    async def run(self) -> None:
        """Never returns; cancel it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.station.run(), name="modem")
            tasks.create_task(self._watch_reports(), name="sms reports")
            for routine in (False, True):
                tasks.create_task(self._serve(routine=routine), name=f"sms routine {routine}")

    async def _serve(self, *, routine: bool) -> None:
        while True:
            await self.station.up.wait()
            await self._send(await self.queue.take(routine=routine))

    async def _send(self, message: Outgoing) -> None:
        segments = self._segments(message)
        if segments is None:
            return
        marked = message._replace(row=message.row._replace(reference=UNSURE))

        async def mark() -> None:
            self._ties.tried(marked.row)
            await self._settled()

        try:
            references = await self.station.send(
                segments, mark, routine=not message.row.incident, is_wanted=lambda: self.queue.is_wanted(message)
            )
        except Refused as exc:
            # Surely not sent, or not by this try: what was known before stays.
            if exc.blame == "number":
                self.queue.failed(message, str(exc))
            else:
                self.queue.again(marked if len(segments) > 1 else message, str(exc))
        except NoAnswer as exc:
            self.queue.again(marked, f"{exc}: it may have gone out")
        else:
            self._judged(self._reports.wait_for(self.queue.handed(marked, ",".join(map(str, references)))))
            if message.row.reference == UNSURE:
                logger.warning("sms: message %d may have been sent twice", message.row.delivery.id)

    def _segments(self, message: Outgoing) -> list[pdu.Segment] | None:
        """What to send; None if it cannot be sent, which is told then."""
        self._reference = (self._reference + 1) % 256
        try:
            return pdu.submit(
                message.row.address,
                self._words(message),
                reference=self._reference,
                centre=self._settings.centre,
                valid_min=self._settings.valid_min,
            )
        except (ValueError, KeyError, TypeError) as exc:
            self.queue.failed(message, str(exc))
            return None

    def _words(self, message: Outgoing) -> str:
        """One that may have gone out before says so, if that costs no segment."""
        body = json.loads(message.body)
        texts = [words for words in (body.get("long"), body["text"]) if words]
        again = [f"{words} {AGAIN}" for words in texts] if message.row.reference == UNSURE else []
        return text.fitting([*again, *texts], accents=self._settings.accents)

    async def _settled(self) -> bool:
        """True if what was told is on the disk. A disk that takes nothing any more does not stop an alarm."""
        try:
            async with asyncio.timeout(SETTLE_S):
                return await self._ties.settled()
        except TimeoutError:
            return False

    async def _came(self, message: Deliver | StatusReport) -> bool:
        """True if it is on the disk, and the modem may forget it."""
        if isinstance(message, StatusReport):
            self._reported(message)
        else:
            self._replied(message)
        return await self._settled()

    def _reported(self, report: StatusReport) -> None:
        verdict = self._reports.take(report, int(self._clock() * 1000))
        if verdict is None:
            logger.debug("sms: a report about no message that waits for one (status %#04x)", report.status)
        self._judged(verdict)

    def _judged(self, verdict: Verdict | None) -> None:
        if verdict is None:
            return
        if verdict.status is None:
            self.queue.delivered(verdict.message)
        else:
            self.queue.failed(verdict.message, f"the network could not deliver it (status {verdict.status:#04x})")

    def _replied(self, message: Deliver) -> None:
        if wording.is_canary(message.text):
            self._ties.proved("sms")
            return
        person = self._site.person_with_phone(replies.international(message.sender))
        says = replies.meaning(message.text)
        if person is None:
            logger.info("sms: a message from a number of nobody in the site is dropped")
        elif says is None:
            logger.info("sms: %s wrote something that is no answer", person.id)
        else:
            self._ties.replied(Reply(person.id, "sms", says))

    async def _watch_reports(self) -> None:
        while True:
            await asyncio.sleep(OVERDUE_S)
            for message in self._reports.overdue(int(self._clock() * 1000)):
                self.queue.noted(message, f"no delivery report in {self._settings.report_s} s")


class VoiceLoop:
    """The channel `voice`: rings phones with the modem of the channel `sms`, whose loop keeps it well."""

    def __init__(
        self,
        station: Station,
        tried: Callable[[DeliveryRow], None],
        *,
        retry: Backoff = VOICE_RETRY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.queue = Queue("voice", tried, retry, clock=clock)
        self._station = station

    async def run(self) -> None:
        """Never returns; cancel it."""
        async with asyncio.TaskGroup() as tasks:
            for routine in (False, True):
                tasks.create_task(self._serve(routine=routine), name=f"voice routine {routine}")

    async def _serve(self, *, routine: bool) -> None:
        while True:
            await self._station.up.wait()
            message = await self.queue.take(routine=routine)
            try:
                call = await self._ring(message, routine=routine)
            except NoAnswer as exc:
                self.queue.again(message, str(exc))
                continue
            match call.end:
                case "answered":
                    self.queue.delivered(message)
                case "rang" | "cut" if call.rang_s > 0:
                    # It has rung, and that is all that a call is for; whether anybody woke, only an answer tells.
                    self.queue.handed(message)
                case _:
                    self.queue.again(message, f"{call.end}: {call.words}".removesuffix(": "))

    async def _ring(self, message: Outgoing, *, routine: bool) -> Call:
        return await self._station.ring(message.row.address, routine=routine, is_wanted=lambda: self.queue.is_wanted(message))


def loops(
    settings: Sms, site: Site, ties: Ties, handed: list[Outgoing], *, clock: Callable[[], float] = time.time
) -> tuple[SmsLoop, VoiceLoop]:
    """Both channels on the modem of the settings. Raises FileMistakes for a PIN file that holds no PIN."""
    sms = SmsLoop(settings, site, ties, handed, clock=clock)
    return sms, VoiceLoop(sms.station, ties.tried, clock=clock)
