"""TLS to the broker: always with the CA's check, the broker's name and this board's own certificate, and never with less.

Loaded only where the configuration names the broker. The files are the technician's, in DER: MicroPython's PEM reader is left out.
"""

import ssl

from agent.link import Refused, TurnedAway, is_broken_off

FOLDER = "/tls/"
CA, BOARD, KEY = "ca.der", "board.der", "key.der"
FILE_MAX = 2_048  # a P-256 certificate has 300 to 700 bytes, one of RSA-4096 1,400
COMMON_NAME = b"\x06\x03\x55\x04\x03"  # the identifier 2.5.4.3 in DER (X.520 6.2.2, X.690 8.19); a string follows: tag, length, text


class Tls:
    """`server_name`: whose the broker's certificate must be. `device`: whom this board's must be, <device>.<generation>.

    The files are read here and the context is kept: it wants 3 kB of a 64-bit heap in one piece, which a heap that has been in use for
    months may not have. `problem`: None, or in words why the files cannot be used; then nothing is ever connected.
    """

    def __init__(self, server_name, device):
        self._server_name = server_name
        self._context = None
        self.problem = None
        try:
            self._context = _context(device)
        except (Refused, MemoryError) as exc:
            self.problem = str(exc)

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


def _context(device):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED  # MicroPython's default is CERT_NONE
    ca, board, key = _read(CA), _read(BOARD), _read(KEY)
    try:
        context.load_verify_locations(cadata=ca)
    except ValueError as exc:
        raise Refused("%s%s: expected a certificate in DER (%s)" % (FOLDER, CA, exc)) from None
    try:
        context.load_cert_chain(board, key)
    except ValueError as exc:
        raise Refused("%s%s, %s: expected a certificate and its key in DER (%s)" % (FOLDER, BOARD, KEY, exc)) from None
    if not _is_of(board, device):
        raise Refused("%s%s: expected the certificate of %s" % (FOLDER, BOARD, device))
    if context.verify_mode != ssl.CERT_REQUIRED:
        raise Refused("TLS without verification")
    return context


def _read(name):
    try:
        with open(FOLDER + name, "rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            return file.read(min(size, FILE_MAX))
    except OSError as exc:
        raise Refused("%s%s: not readable (%s)" % (FOLDER, name, exc)) from None


def _is_of(board, device):
    """True if one of the certificate's common names is <device>.<generation>.

    With another board's certificate the broker would take us for that board and throw the real one off.
    """
    place = board.find(COMMON_NAME)
    while place >= 0:
        start = place + len(COMMON_NAME) + 2
        if board[start:].startswith(device.encode() + b"."):
            return True
        place = board.find(COMMON_NAME, start)
    return False
