"""Until when the certificates are good that boards, programs and people meet: the authority's, the broker's, the boards', the page's."""

import logging
from collections.abc import Iterator, Set
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from gateway.domain.health import CERTIFICATE_EARLY, Ending
from gateway.identity import register, validity
from gateway.identity.private import IDENTITY, has_identity
from protocol.tomlfile import FileMistakes

logger = logging.getLogger(__name__)

PAGE_EARLY = timedelta(days=30)  # programs that renew do so with a third of its life left: who is told with a quarter left is needed


class Certificates:
    """`read` looks at files anew that have changed. `data`: the folder of the identity; `page`: the console's file, if it has one;
    `boards`: those of the commune, since what the description does not name has no rights at the broker.
    """

    def __init__(self, data: Path, page: Path | None, boards: Set[str]) -> None:
        self._data = data
        self._page = page
        self._boards = boards
        self._seen: tuple[object, ...] = ()
        self._found: dict[str, tuple[Ending, ...] | None] = {}

    def read(self) -> dict[str, tuple[Ending, ...] | None]:
        """Fault -> whose end could be one; none where there is none, None where it cannot be read. Blocks: a disk may be dead."""
        seen = tuple(self._states())
        if seen != self._seen or None in self._found.values():
            self._seen, self._found = seen, dict(self._all())
        return self._found

    def _states(self) -> Iterator[object]:
        folder = self._data / IDENTITY
        yield has_identity(self._data)
        for path in (folder / "ca.pem", folder / "broker.pem", folder / register.NAME, *((self._page,) if self._page else ())):
            with suppress(OSError):
                found = path.stat()
                yield path, found.st_ino, found.st_size, found.st_mtime_ns

    def _all(self) -> Iterator[tuple[str, tuple[Ending, ...] | None]]:
        for name, work in (
            *(("certificate_authority", self._authority), ("certificate_broker", self._broker)),
            *(("certificate_boards", self._of_boards), ("certificate_page", self._of_page)),
        ):
            try:
                yield name, tuple(work())
            except (OSError, ValueError, FileMistakes) as exc:
                is_news = self._found.get(name, ()) is not None
                logger.log(logging.WARNING if is_news else logging.DEBUG, "%s: nobody knows until when: %s", name, exc)
                yield name, None

    def _authority(self) -> Iterator[Ending]:
        if has_identity(self._data):
            yield _ending(self._until("ca.pem"))

    def _broker(self) -> Iterator[Ending]:
        if has_identity(self._data):
            yield _ending(self._until("broker.pem"))

    def _of_boards(self) -> Iterator[Ending]:
        if has_identity(self._data):
            until = self._until("ca.pem")
            for board, entry in register.load(self._data).items():
                if board in self._boards and not entry.revoked:
                    yield _ending(register.end(entry, until), board=board)

    def _of_page(self) -> Iterator[Ending]:
        if self._page:
            found = validity.read(self._page.read_bytes())
            yield _ending(found.until, min(PAGE_EARLY, (found.until - found.since) / 4))

    def _until(self, name: str) -> datetime:
        return validity.read((self._data / IDENTITY / name).read_bytes()).until


def _ending(until: datetime, early: timedelta = CERTIFICATE_EARLY, *, board: str = "") -> Ending:
    return Ending(int(until.timestamp() * 1000), int(early.total_seconds() * 1000), board)
