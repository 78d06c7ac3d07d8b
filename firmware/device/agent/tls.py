"""TLS to the broker: always with the CA's check, the broker's name and this board's own certificate, and never with less."""

from agent.link import Refused, TurnedAway, is_broken_off


class Tls:
    """`server_name`: whose the broker's certificate must be. `context`: of credentials.credentials(), made before the heap was in pieces:
    it wants 3 kB of a 64-bit heap in one. `problem`: None, or in words why there is none; then nothing is ever connected.
    """

    def __init__(self, server_name, context, problem):
        self._server_name = server_name
        self._context = context
        self.problem = problem

    def wrap(self, connection):
        """A stream that speaks TLS over a socket; the first write shakes hands, without standing still. Raises Refused."""
        if self._context is None:
            raise Refused(self.problem)
        return self._context.wrap_socket(connection, server_hostname=self._server_name, do_handshake_on_connect=False)

    def explain(self, exc):
        """What ended a connection before the broker's CONNACK: a Refused or TurnedAway in words, or `exc` itself if it was not TLS."""
        if type(exc) is ValueError:  # how MicroPython says that a certificate does not hold; a line for each reason
            return Refused("broker not trusted: " + "; ".join([line for line in str(exc).split("\n") if line]))
        if is_broken_off(exc) or (isinstance(exc, OSError) and exc.args[0] < 0):  # below 0: of Mbed TLS
            return TurnedAway("TLS broken off: no TLS there, or this board's certificate is not accepted (%s)" % exc)
        return exc
