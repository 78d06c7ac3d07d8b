"""Who listens: births until an engine says hello, ticks that tell whether one lives, rings that tell whether the broker lets us hear."""

from agent.rings import life_of

BIRTH_AGAIN_MS = (5_000, 10_000, 20_000)  # after the birth before; the last for ever
NEW_ENGINE_MS = 5_000  # jitter, so that a commune does not answer a new engine in one instant
TICK_MS = 25_000  # without a tick for so long, nobody listens
RING_MS = 150_000  # a quiet group's ring comes every 60 s


class Presence:
    """`start` is the identity's; `random()` gives 0 up to 1. All times are clock.now()."""

    def __init__(self, start, random):
        self._start = start
        self._random = random
        self._engine = None  # the last heard of in a hello or tick
        self._life = None  # the life of the last hello
        self._birth_due = None
        self._births = 0
        self._has_news = False  # what no birth has said yet
        self._ticked = None
        self._listening = 0  # since when ticks come, rings could be heard, or the connection is up: the latest

    def connected(self, now):
        """A new connection, subscribed: the birth is due at once."""
        self._listening = now
        self.announce(now)

    def announce(self, now):
        """What the birth says has changed: it is due at once."""
        self._births = 0
        self._birth_due = now
        self._has_news = True

    def take_birth(self, now):
        """True if the birth is to be sent now; counts it as sent."""
        if self._birth_due is None or now < self._birth_due:
            return False
        self._birth_due = now + BIRTH_AGAIN_MS[min(self._births, len(BIRTH_AGAIN_MS) - 1)]
        self._births += 1
        self._has_news = False
        return True

    def hello(self, hello):
        """True if this live hello answers our birth and its engine is new, or one whose receipts did not count till now; False for a
        known one, None if it is not for us."""
        if hello.birth != self._start:
            return None
        if not self._has_news:
            self._birth_due = None
        counted = self.counts(hello.engine)
        self._life = life_of(hello.engine)
        return self._heard_of(hello.engine) or not counted

    def tick(self, engine, now):
        """A live tick. True if its engine is a new one: it wants our birth."""
        if not self.is_ticking(now):
            self._listening = now
        self._ticked = now
        is_new = self._heard_of(engine)
        if is_new:
            self._births = 0
            self._birth_due = now + int(self._random() * NEW_ENGINE_MS)
        return is_new

    def is_ticking(self, now):
        """True while an engine lives."""
        return self._ticked is not None and now - self._ticked < TICK_MS

    def counts(self, engine):
        """True if a receipt of this engine counts: it is of the life that said hello last."""
        return self._life is not None and life_of(engine) == self._life

    def ring_heard(self, now):
        """A ring has come over the group's topic."""
        self._listening = now

    def is_deaf(self, now):
        """True if an engine lives and yet no ring has come for RING_MS: brokers drop silently what their rights forbid."""
        return self.is_ticking(now) and now - self._listening >= RING_MS

    def _heard_of(self, engine):
        is_new = engine != self._engine
        self._engine = engine
        return is_new
