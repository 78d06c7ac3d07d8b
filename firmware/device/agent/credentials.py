"""This board's own files for TLS, read and checked once at the start; thrown away then.

They are the technician's, in DER: MicroPython's PEM reader is left out.
"""

import ssl

from agent.link import Refused

FOLDER = "/tls/"
CA, BOARD, KEY = "ca.der", "board.der", "key.der"
FILE_MAX = 2_048  # a P-256 certificate has 300 to 700 bytes, one of RSA-4096 1,400
COMMON_NAME = b"\x06\x03\x55\x04\x03"  # the identifier 2.5.4.3 in DER (X.520 6.2.2, X.690 8.19); a string follows: tag, length, text


def credentials(device):
    """(ssl.SSLContext, None), or (None, why the files cannot be used). `device`: whose they must be, <device>.<generation>."""
    try:
        return _context(device), None
    except (Refused, MemoryError) as exc:
        return None, str(exc)


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
