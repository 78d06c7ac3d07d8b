"""Carries out the order that sets the configuration, and ends the trial that follows. What that takes is loaded when it comes."""

from agent.once import once

UPDATING = "agent.takeup agent.download agent.release protocol.updates built"
LOADED = "agent.amendment agent.config agent.fit agent.candidate agent.canonical agent.trial pins kinds."


class Changes:
    """`parts`: agent.Parts, of which config, orders, bell, keeper, board, files and `trial`, a trial.Trial or None.

    `id`: of the order whose change is not decided yet, or None. `stored`: the next start will try a candidate, and should come soon.
    """

    def __init__(self, parts):
        self._parts = parts
        self.id = parts.trial.id if parts.trial else None
        self.stored = False

    def take(self, order):
        """Begin to carry out "set config", or "update". None, or why not; without a reason its answer comes when the trial is over."""
        if order.do == "update":
            return self._update(order)
        if self._parts.bell.is_alarming():
            return "the bell sounds"
        if self.id:
            return "change %s is on trial" % self.id
        if self._parts.download:
            return "an update is under way"
        try:
            candidate, error = self._propose(order.config)
        except (MemoryError, RuntimeError):  # RuntimeError: of the stack
            return "not enough memory"
        if error is None:
            self.id = order.id
            self._parts.keeper.chore(lambda: self._store(candidate))
        return error

    def _update(self, order):
        """In two steps, each with its own code in the heap."""
        try:
            wanted, error = once("agent.takeup", "check", UPDATING, self._parts, self.id, order)
            if wanted:
                self._parts.download = once("agent.download", "Download", UPDATING, self._parts, order.id, wanted)
        except (MemoryError, RuntimeError):
            return "not enough memory"
        return error

    def _propose(self, fields):
        """(fields of the candidate, None), or (None, why not): everything is checked before anything is written.

        In two steps, each with its own code in the heap.
        """
        candidate, error = once("agent.amendment", "merge", LOADED, self._parts.config.path, fields)
        if error is None:
            misfits = once("agent.fit", "own_problems", LOADED, candidate["kind"], candidate.get("points", {}))
            error = misfits[0][1] if misfits else None
        return candidate, error

    def greeted(self, now, wrong):
        """A hello for this start; `wrong`: it names another group than the one that the board is configured for."""
        if self._parts.trial:
            self._parts.trial.greeted(now, wrong)

    def receipted(self):
        """The engine has a test event of this start."""
        if self._parts.trial:
            self._parts.trial.receipted()

    def missed(self):
        """A connection could not be made, or is lost."""
        if self._parts.trial:
            self._parts.trial.missed()

    def poll(self, now):
        """End the trial when it is time to; go on with an update."""
        if self._parts.download:
            self._parts.download.poll(now)
        if self._parts.trial:
            alarming = self._parts.bell.is_alarming()
            verdict = self._parts.trial.poll(now, alarming, self._parts.outbox.has_alarm())
            if verdict:
                self._parts.keeper.chore(lambda: self._end(verdict, alarming))

    def _store(self, candidate):
        try:
            once("agent.candidate", "store", LOADED, self._parts.files, self.id, candidate)
            self.stored = True
        except OSError as exc:
            self._parts.orders.answer(self.id, "journal: not writable (%s)" % exc)
            self.id = None

    def _end(self, verdict, alarming):
        """Raises OSError: then the trial will say so again, as it will where an alarm has begun since the verdict."""
        if self._parts.bell.is_alarming() and not alarming:
            return
        is_over, error = self._parts.trial.carry_out(verdict, self._parts.config.path, self._parts.orders)
        if not is_over:
            self._parts.board.reset()
            return
        self._parts.trial = None
        self._parts.orders.answer(self.id, error)
        self.id = None
