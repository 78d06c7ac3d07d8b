"""What the intake and its reader work with."""

from collections.abc import Callable
from typing import NamedTuple

from gateway.domain.situation import Situation
from gateway.publication import Publication
from gateway.reports import Reports
from gateway.rivals import Rivals
from gateway.rubbish import Rubbish
from gateway.store.backlog import Backlog
from gateway.store.store import Store


class Parts(NamedTuple):
    """`restored()`: a situation as the last commit left it."""

    situation: Situation
    store: Store
    backlog: Backlog
    publication: Publication
    reports: Reports
    rubbish: Rubbish
    rivals: Rivals
    restored: Callable[[], Situation]
