"""Passwords: what is accepted, and Argon2id. At most so many are computed at a time that the engine beside does not feel it."""

import unicodedata

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

SHORTEST = 8  # NIST SP 800-63B-4, 3.1.1.2, for a password that is tried through a brake
LONGEST = 200
# OWASP, Password Storage: 19 MiB, two passes, one thread. The RFC's 64 MiB with four threads would take all cores of a Raspberry Pi.
_HASHING = PasswordHash((Argon2Hasher(time_cost=2, memory_cost=19 * 1024, parallelism=1),))
# What is compared where there is no account, so that the answer takes as long.
NOBODYS = _HASHING.hash("no password opens this")
_GUESSED_FIRST = (
    *("12345678", "123456789", "1234567890", "11111111", "88888888", "66666666", "87654321", "password", "matkhau1", "matkhau123"),
    *("qwertyui", "qwerty123", "iloveyou", "anhyeuem", "emyeuanh", "yeuanhnhieu", "abcd1234", "abc12345", "congan113", "baochay114"),
)


def mistake(password: str, *, own: tuple[str, ...] = ()) -> str:
    """What is wrong with a new password, a key of the catalogue below `password.`; "" if nothing is. `own`: name and phone."""
    known = normal(password)
    if len(known) < SHORTEST:
        return "short"
    if len(known) > LONGEST:
        return "long"
    plain = known.casefold()
    if len(set(plain)) < 4 or plain in _GUESSED_FIRST or any(word and word.casefold() in plain for word in own):
        return "guessed"
    return ""


def normal(password: str) -> str:
    """One spelling for each password: keyboards write Vietnamese letters in different ways."""
    return unicodedata.normalize("NFKC", password)


def hashed(password: str) -> str:
    """For the database. Takes some 40 ms and 19 MiB."""
    return _HASHING.hash(normal(password))


def fits(password: str, known: str) -> bool:
    """Whether this is the password. Takes as long as `hashed`."""
    if len(password) > 4 * LONGEST:
        return False
    try:
        return _HASHING.verify(normal(password), known)
    except UnknownHashError:
        return False
