"""A new version on trial: kept when the engine has receipted a test event of it, else rolled back. As trial.Trial, whose place it takes.

A board cannot tell a version that cannot connect from a gateway that is away. So one that hears nobody gives way to the version before,
which was online when the order came: if that is greeted soon after its start and at its first attempt, somebody was there, and the new one
is to blame. Otherwise nobody was there, and it is tried again once the old one has been greeted. One that hears the engine and gets no
receipt is to blame in any case.
"""

from agent import release
from agent.release import CONTROL, KEPT, ROLLED_BACK, TRIAL, Use
from agent.trial import ALARM_MS, BACK, GIVE_UP, KEEP, RETRY, SOON_MS, TRIES

GATE_MS = 600_000  # in which the engine was heard
# Without hearing it, in which nobody rings this bell. Long enough for a second network (two minutes for the first, if it leads nowhere),
# and shorter than the engine waits for a board on trial (gateway/domain/waves.py, LOST_S).
ALONE_MS = 240_000
AGAIN_MS = 60_000  # after a write that failed
TEST_AGAIN_MS = 120_000  # the event may have left the outbox for graver ones


class Gate:
    """`use`: release.Use of this start. `id`: of the order. Times are clock.now(), ms since this start."""

    def __init__(self, root, use):
        self._root = root
        self._use = use
        self.id = use.order
        self._agent = None
        self._parts = None
        self._greeted = None
        self._missed = False
        self._receipted = False
        self._alarm = None  # since when one sounds or waits
        self._last = 0
        self._heard = 0  # how long, in all
        self._unheard = 0  # how long since it was heard last
        self._test_due = 0
        self._quiet_until = 0

    def join(self, parts, agent):
        """Whose version it is: agent.Parts, agent.Agent."""
        self._parts = parts
        self._agent = agent

    def greeted(self, now, _):
        """A hello for this start has come, whatever group it names."""
        if self._greeted is None:
            self._greeted = now

    def missed(self):
        """A connection could not be made, or is lost."""
        self._missed = self._missed or self._greeted is None

    def receipted(self):
        """The engine has a test event of this start."""
        self._receipted = True

    def poll(self, now, alarming, unheard):
        """KEEP, BACK, RETRY or GIVE_UP if that is due, else None. `alarming`: an alarm sounds; no restart cuts one off without need.
        `unheard`: one waits for its receipt, bell or no bell: that of a silent SOS, or of the start before.
        """
        self._listen(now)
        if not (alarming or unheard):
            self._alarm = None
        elif self._alarm is None:
            self._alarm = now
        verdict = self._candidate(now) if self._use.phase == TRIAL else self._control(alarming or unheard)
        if verdict is None or now < self._quiet_until:
            return None
        self._quiet_until = now + AGAIN_MS
        return verdict

    def _listen(self, now):
        passed, self._last = now - self._last, now
        if self._parts.presence.is_ticking(now) and self._agent.mail.up:
            self._heard += passed
            self._unheard = 0
        else:
            self._unheard += passed
        if self._use.phase == TRIAL and not self._receipted and self._agent.mail.up and now >= self._test_due:
            self._test_due = now + TEST_AGAIN_MS
            self._agent.self_test(now)

    def _candidate(self, now):
        if self._receipted:
            return KEEP
        if self._alarm is not None:
            # Nobody but this house may hear it: then it has no more time than this, bell or no bell.
            return BACK if now - self._alarm >= ALARM_MS else None
        if self._heard >= GATE_MS:
            return GIVE_UP
        return BACK if self._unheard >= ALONE_MS else None

    def _control(self, alarming):
        if self._greeted is None:
            return None
        if (self._greeted < SOON_MS and not self._missed) or self._use.tries >= TRIES:
            return GIVE_UP
        return None if alarming or self._parts.alarms.is_open() else RETRY

    def carry_out(self, verdict, _, orders):
        """Write what the verdict says. (True if the trial is over and False if the board has to start again, what was wrong or None).

        Raises OSError. What became of the order is remembered first: a cut after it leaves the trial as it was, to be judged once more.
        """
        use = self._use
        if verdict == KEEP:
            orders.keep(self.id)
            return self._decide(use.folder, KEPT, "")
        if verdict == GIVE_UP:
            heard = "no receipt within %d s" % (GATE_MS // 1000)
            error = heard if use.phase == TRIAL else "not online within %d s, tries: %d" % (ALONE_MS // 1000, use.tries)
            orders.keep(self.id, error)
            return self._decide(release.other(use.folder) if use.phase == TRIAL else use.folder, ROLLED_BACK, error)
        try:
            if verdict == BACK:
                self._become(release.other(use.folder), CONTROL, use.tries)
            else:
                self._become(release.other(use.folder), TRIAL, use.tries + 1)
        except OSError:
            if verdict == RETRY:
                raise
            # The launcher cannot count the next start either: it runs the version before.
        return False, None

    def _decide(self, folder, phase, error):
        stays = folder == self._use.folder
        self._become(folder, phase, self._use.tries, error)
        if stays:
            self._parts.update = release.told(self._use)
            self._parts.presence.announce(self._last)
        return stays, error or None

    def _become(self, folder, phase, tries, error=""):
        use = Use(folder, phase, 0, tries, self._use.bundle, self._use.order, error)
        release.save(self._root, use)
        self._use = use
