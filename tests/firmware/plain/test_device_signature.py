"""The arithmetic of signatures, against the interpreter's own."""

import random

from agent import signature
from agent.signature import BYTES, digits, is_signed

random.seed(1)


def number(bits=3072):
    value = 0
    for _ in range(bits // 16):
        value = value << 16 | random.getrandbits(16)
    return value


def written(value):
    return digits(value.to_bytes(BYTES, "big"))


def verdict(steps):
    try:
        while True:
            next(steps)
    except StopIteration as exc:
        return exc.value


def modulus():
    return number() | 1 | 1 << 3071


def test_power_is_that_of_the_interpreter():
    for _ in range(10):
        n = modulus()
        signed = number() % n
        power = pow(signed, 65537, n)
        assert verdict(is_signed(written(power), written(signed), written(n)))
        for wrong in (power ^ 1, power ^ 1 << 3000, (power + 1) % n, 0):
            assert not verdict(is_signed(written(wrong), written(signed), written(n)))


def test_extreme_numbers_are_right_too():
    for n in ((1 << 3072) - 1, (1 << 3071) + 1, modulus()):
        for signed in (0, 1, 2, n - 1, n >> 1, (1 << 512) - 1, 1 << 512):
            assert verdict(is_signed(written(pow(signed, 65537, n)), written(signed), written(n)))


def test_signature_that_is_no_number_below_the_modulus_is_none():
    n = modulus()
    for signed in (n, n + 1, (1 << 3072) - 1):
        if signed < 1 << 3072:
            assert not verdict(is_signed(written(pow(signed, 65537, n)), written(signed), written(n)))
    assert not verdict(is_signed(written(1), written(1), written(n - 1)))  # even


def test_product_is_divided_by_r():
    n = modulus()
    inverse = pow(2, -3072, n) if hasattr(pow, "__text_signature__") else None
    if inverse is not None:  # MicroPython knows no negative powers
        a, b = number() % n, number() % n
        low = -pow(n, -1, 1 << signature.BITS) % (1 << signature.BITS)
        assert signature.product(written(a), written(b), written(n), low) == written(a * b * inverse % n)
