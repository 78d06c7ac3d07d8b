"""A changed configuration on trial: kept when the engine greets the board that uses it, else rolled back.

A board cannot tell a wrong address from a dead broker. So a candidate that has failed is judged by the old configuration, which is used
next: if that is greeted soon after its start and at its first attempt, somebody was there, and the candidate is to blame. Otherwise
nobody was there at first, and the candidate is tried again. If nobody comes for an hour it is tried again too: the gateway may have moved
to where only the candidate leads. The last of its tries, though, waits until the old configuration has been greeted.

Name of the candidate's file: <turn>.<tries>.<id of the order>. Every step is one rename.
"""

NEW, OLD = "new", "old"  # whose turn it is
NAME = "%s.%d.%s"
TRIES = 3
TRIAL_MS = 180_000  # of running time, for each try
SOON_MS = 60_000  # Wi-Fi, broker, birth and hello take 5 to 20 s; what takes longer says nothing against the candidate
ALONE_MS = 3_600_000
# A candidate that is not online lets nobody but this house hear an alarm: then it has no more time than this, bell or no bell.
ALARM_MS = 30_000
AGAIN_MS = 60_000  # after a write that failed

KEEP, BACK, RETRY, GIVE_UP = "keep", "back", "retry", "give up"


class Trial:
    """`tries`: how often the candidate was, or is being, used. `id`: the order's. Times are clock.now(), ms since this start."""

    def __init__(self, files, turn, tries, ident):
        self._files = files
        self.turn = turn
        self.tries = tries
        self.id = ident
        self._greeted = None
        self._missed = False  # a connection has failed before
        self._alarm = None  # since when one sounds or waits
        self._quiet_until = 0

    @property
    def name(self):
        """The candidate's file."""
        return NAME % (self.turn, self.tries, self.id)

    def count(self):
        """A start: it is one more try, unless there were enough that ended in a restart. Returns itself. Raises OSError."""
        if self.turn == NEW and self.tries < TRIES:
            self._become(NEW, self.tries + 1)
        elif self.turn == NEW:
            self._become(OLD, self.tries)
        return self

    def give_way(self):
        """The candidate cannot be used: its turn is over. Returns itself. Raises OSError."""
        self._become(OLD, self.tries)
        return self

    def greeted(self, now, wrong):
        """A hello for this start has come. `wrong`: it names another group than the one that the board is configured for. That is no
        proof of a candidate, but somebody is there: else no order could change the group before this is decided, which would be never.
        """
        if self._greeted is None and not (wrong and self.turn == NEW):
            self._greeted = now

    def join(self, parts, agent):
        """Whose configuration it is; nothing of it is needed."""

    def receipted(self):
        """The engine has a test event: a hello has said enough."""

    def missed(self):
        """A connection could not be made, or is lost."""
        self._missed = self._missed or self._greeted is None

    def poll(self, now, alarming, unheard):
        """KEEP, BACK, RETRY or GIVE_UP if that is due, else None. `alarming`: an alarm sounds; no restart cuts one off without need.
        `unheard`: one waits for its receipt, bell or no bell: that of a silent SOS, or of the start before.
        """
        if not (alarming or unheard):
            self._alarm = None
        elif self._alarm is None:
            self._alarm = now
        verdict = self._candidate(now) if self.turn == NEW else self._control(now, alarming, unheard)
        if verdict is None or now < self._quiet_until:
            return None
        self._quiet_until = now + AGAIN_MS
        return verdict

    def _candidate(self, now):
        if self._greeted is not None:
            return KEEP
        is_over = now >= TRIAL_MS if self._alarm is None else now - self._alarm >= ALARM_MS
        return BACK if is_over else None

    def _control(self, now, alarming, unheard):
        if self._greeted is None:
            is_over = now >= ALONE_MS and self.tries < TRIES - 1
        elif (self._greeted < SOON_MS and not self._missed) or self.tries >= TRIES:
            return GIVE_UP
        else:
            is_over = not unheard  # here it is delivered; the candidate may be deaf
        return RETRY if is_over and not alarming else None

    def carry_out(self, verdict, path, orders):
        """Write what the verdict says. (True if the trial is over and False if the board has to start again, what was wrong or None).

        `path`: of the configuration. Raises OSError. What became of the order is remembered first: a cut after it leaves the trial as it
        was, to be judged once more.
        """
        if verdict == KEEP:
            orders.keep(self.id)
            self._files.move(self.name, path)
            return True, None
        if verdict == GIVE_UP:
            error = "rolled back: not online within %d s, tries: %d" % (TRIAL_MS // 1000, self.tries)
            orders.keep(self.id, error)
            self._files.remove(self.name)
            return True, error
        try:
            self._become(OLD if verdict == BACK else NEW, self.tries)
        except OSError:
            if verdict == RETRY:
                raise
            # The next start cannot count this either: it uses the old configuration.
        return False, None

    def _become(self, turn, tries):
        self._files.rename(self.name, NAME % (turn, tries, self.id))
        self.turn, self.tries = turn, tries
