"""Keys that sign releases, made when a test first asks for one: each takes a quarter of a second, and every worker reads every file."""

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa

from firmware.bench.package import new_key


@cache
def release_key(number: int) -> rsa.RSAPrivateKey:
    """The same for the same number, within a process."""
    return new_key()
