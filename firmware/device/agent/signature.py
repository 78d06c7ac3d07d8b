"""RSA-3072, PKCS #1 v1.5 with SHA-256 (RFC 8017, section 8.2.2), a product at a time and in small numbers.

`pow` wants blocks of 800 bytes of a heap in pieces. So the numbers are lists of WIDTH digits of 1,024 bits, the least first, and are
multiplied by Montgomery's method (Menezes, van Oorschot, Vanstone: Handbook of Applied Cryptography, algorithm 14.36), whose result is
a * b / R with R = 2 ** 3072. Nothing is brought into that form and back: instead of s ** 65537 with the hash, both divided by
R ** 65536 are compared. A product takes an ESP32 some milliseconds.

The keys are files of a folder, each a modulus, big-endian; the exponent of all is 65537 = 2 ** 16 + 1.
"""

import hashlib
import os

BYTES = 384
WIDTH = 3
DIGIT_BYTES = BYTES // WIDTH
BITS = 8 * DIGIT_BYTES
MASK = (1 << BITS) - 1
PIECE = 256
SQUARINGS = 16
SHA256 = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"  # DigestInfo, RFC 8017, section 9.2


def check(path, size, folder):
    """Yield after each step; return True if what lies behind the first `size` bytes of a file is their signature by a key of the folder.

    Raises OSError.
    """
    padded = digits(_padded(path, size))
    with open(path, "rb") as file:
        file.seek(size)
        signed = file.read(BYTES + 1)
    if len(signed) != BYTES:
        return False
    signed = digits(signed)
    yield
    for name in os.listdir(folder):
        with open("%s/%s" % (folder, name), "rb") as file:
            modulus = digits(file.read(BYTES))
        if (yield from is_signed(padded, signed, modulus)):
            return True
        yield
    return False


def _padded(path, size):
    """What a signature of the first `size` bytes of a file is of."""
    sha = hashlib.sha256()
    with open(path, "rb") as file:
        while size > 0:
            piece = file.read(min(size, PIECE))
            if not piece:
                break
            sha.update(piece)
            size -= len(piece)
    hashed = SHA256 + sha.digest()
    return b"\x00\x01" + b"\xff" * (BYTES - 3 - len(hashed)) + b"\x00" + hashed


def is_signed(padded, signed, modulus):
    """Yield after each product; return True if `signed` ** 65537 is `padded`, by the modulus. Each: digits()."""
    if not _is_less(signed, modulus) or not modulus[0] & 1:
        return False
    inverse = 1  # of the modulus' first digit, by 2 ** bits, each time twice as many (Hensel)
    for _ in range(10):
        inverse = inverse * (MASK + 3 - (modulus[0] * inverse & MASK)) & MASK
    inverse = MASK + 1 - inverse
    left, right = signed, [1] + [0] * (WIDTH - 1)
    for _ in range(SQUARINGS):
        left = product(left, left, modulus, inverse)
        yield
        right = product(right, right, modulus, inverse)
        yield
    return product(left, signed, modulus, inverse) == product(right, padded, modulus, inverse)


def digits(data):
    """Of BYTES bytes, big-endian."""
    return [int.from_bytes(data[place - DIGIT_BYTES : place], "big") for place in range(BYTES, 0, -DIGIT_BYTES)]


def product(a, b, modulus, inverse):
    """a * b / R by the modulus; `inverse`: -1 / modulus by 2 ** BITS."""
    found = [0] * (WIDTH + 1)
    for digit in b:
        carry = 0
        for place in range(WIDTH):
            carry += found[place] + a[place] * digit
            found[place] = carry & MASK
            carry >>= BITS
        top = found[WIDTH] + carry
        factor = found[0] * inverse & MASK
        carry = (found[0] + factor * modulus[0]) >> BITS
        for place in range(1, WIDTH):
            carry += found[place] + factor * modulus[place]
            found[place - 1] = carry & MASK
            carry >>= BITS
        carry += top
        found[WIDTH - 1] = carry & MASK
        found[WIDTH] = carry >> BITS
    over = found.pop()
    if over or not _is_less(found, modulus):
        borrow = 0
        for place in range(WIDTH):
            rest = MASK + 1 + found[place] - modulus[place] - borrow
            found[place] = rest & MASK
            borrow = 1 - (rest >> BITS)
    return found


def _is_less(a, b):
    for place in range(WIDTH - 1, -1, -1):
        if a[place] != b[place]:
            return a[place] < b[place]
    return False
