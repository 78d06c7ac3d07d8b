"""Carries out the engine's orders, each once and with an answer."""

from agent import orders

RESTART_MS = 2_000  # for the answer to leave
SELF_TEST = "self-test"
LAMP = "lamp"  # "set lamp" with seconds: all on, in an emergency; 0 seconds end it


class Errands:
    """`changes`: changes.Changes. `agent`: what an order may do to the board (silence_bell, light_up, output, self_test, forget_crashes,
    reset).

    `mail` is for the answers.
    """

    def __init__(self, orders_, bell, changes, agent, mail):
        self._orders = orders_
        self._changes = changes
        self._bell = bell
        self._agent = agent
        self._mail = mail
        self._restart_at = None
        self.trial = None  # the orders.Trial going on, or None

    def take(self, order, now):
        """An order has come, live."""
        if self._is_under_way(order):
            return  # its answer is on the way
        if self._orders.is_new(order):
            error = self._carry_out(order, now)
            if error is not None or not self._is_under_way(order):
                self._orders.answer(order.id, error)
        self._mail.send_answers()

    def restart(self, now):
        """Start the board again, soon. False if that was to happen already."""
        if self._restart_at is not None:
            return False
        self._restart_at = now + RESTART_MS
        return True

    def poll(self, now):
        """End what has lasted its time. No restart cuts off an alarm that has begun meanwhile; more that it waits for: Agent.reset."""
        self._changes.poll(now)
        if self._changes.stored:
            self.restart(now)
        if self._restart_at is not None and now >= self._restart_at and not self._bell.is_alarming():
            self._agent.reset()
        if self.trial and now >= self.trial.until:
            trial = self.trial
            self.trial = None
            proof = None if trial.sound == "identify" else trial.output.proof(trial.since)
            failed = proof is None and trial.sound != "identify"
            self._orders.answer(trial.id, "no current seen on %s" % trial.output.name if failed else None, proof)

    def _is_under_way(self, order):
        return order.id == self._changes.id or (self.trial is not None and order.id == self.trial.id)

    def _carry_out(self, order, now):
        """None, or why not. A trial, of the bell or of a configuration, answers when it is over."""
        if order.do in ("test", "identify"):
            return self._try_out(order, now)
        if order.do == "silence":
            self._agent.silence_bell("ring", now)
        elif order.do == "report":
            self._mail.want_report()
        elif order.do == "restart":
            return self._restart(order, now)
        elif order.config is not None:
            return self._changes.take(order)
        elif order.do == "set" and order.what == LAMP:
            return None if self._agent.light_up(order.seconds, now) else "no lamp here"
        else:
            return "not supported: %s" % order.do
        return None

    def _try_out(self, order, now):
        if order.do == "test" and order.what == SELF_TEST:
            self._agent.self_test(now)
            return None
        what = order.what or "bell"
        output = self._agent.output(what)
        if output is None:
            return "no %s here" % what
        if self.trial:
            return "a test goes on"
        if output.is_bell:
            if self._bell.is_alarming():
                return "the bell sounds"
        elif order.do == "identify":
            return "not supported: identify of %s" % what
        self.trial = orders.trial(order, output, now)
        output.try_until(self.trial.until)
        return None

    def _restart(self, order, now):
        if self._bell.is_alarming():
            return "the bell sounds"
        try:
            self._orders.keep(order.id)
            self._agent.forget_crashes()
        except OSError as exc:
            return "journal: not writable (%s)" % exc
        self.restart(now)
        return None
