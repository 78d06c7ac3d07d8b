"""Orders, each carried out once: its id is remembered with the answer, those of a restart and a change over the restart."""

from collections import namedtuple

NAME = "orders"  # the file that remembers ids over a restart
REMEMBERED = 16
KEPT = 8
TEST_S = 2
TEST_MAX_S = 10
IDENTIFY_S = 10

Answer = namedtuple("Answer", ("id", "ok", "error", "proof"))
Trial = namedtuple("Trial", ("id", "output", "sound", "since", "until"))  # `sound`: None where the output is not the bell


class Orders:
    """`files`: files.Files, or None for a board without a journal."""

    def __init__(self, files):
        self._files = files
        self._answers = self._kept()
        self._waiting = []  # answers that the broker has not acknowledged
        self._sent = []  # ids of those that were sent over this connection

    def is_new(self, order):
        """False for an order that was carried out before: then its answer is given again."""
        for answer in self._answers:
            if answer.id == order.id:
                self._wait(answer)
                return False
        return True

    def due(self):
        """The answers to send now; sent() tells which were."""
        return [answer for answer in self._waiting if answer.id not in self._sent]

    def sent(self, ident):
        """The answer to this order was sent over the present connection."""
        self._sent.append(ident)

    def wake(self):
        """A new connection: every answer that has not arrived is due again."""
        self._sent = []

    def answer(self, ident, error=None, proof=None):
        """Say what became of an order: done, with its `proof` if it was a test, or `error` in words."""
        answer = Answer(ident, error is None, error, proof)
        self._answers.append(answer)
        del self._answers[:-REMEMBERED]
        self._wait(answer)

    def keep(self, ident, error=None):
        """Remember over a restart what became of an order: done, or `error` in words. Raises OSError."""
        kept = [answer for answer in self._kept() if answer.id != ident] + [Answer(ident, error is None, error, None)]
        if self._files:
            lines = [answer.id + (" " + answer.error if answer.error else "") for answer in kept[-KEPT:]]
            self._files.write(NAME, "\n".join(lines).encode())

    def delivered(self, ident):
        """The broker has the answer to this order."""
        self._waiting = [answer for answer in self._waiting if answer.id != ident]
        self._sent = [sent for sent in self._sent if sent != ident]

    def _wait(self, answer):
        self.delivered(answer.id)
        self._waiting.append(answer)
        del self._waiting[:-REMEMBERED]

    def _kept(self):
        try:
            lines = str(self._files.read(NAME), "utf-8").split("\n") if self._files else []
        except (OSError, ValueError):
            return []
        words = [line.split(" ", 1) for line in lines if line]
        return [Answer(word[0], len(word) == 1, word[1] if len(word) > 1 else None, None) for word in words]


def trial(order, output, now):
    """What a test or identify order asks for: `output` on for its time, at least as long as it takes to know that it works."""
    test = order.do == "test"
    seconds = max(min(order.seconds or (TEST_S if test else IDENTIFY_S), TEST_MAX_S), output.least_test_s)
    sound = ("test" if test else "identify") if output.is_bell else None
    return Trial(order.id, output, sound, now, now + seconds * 1000)
