"""Pieces of a page that can be replaced one by one, and what of them must be sent when the page changes."""

from collections.abc import Sequence
from typing import NamedTuple


class Fragment(NamedTuple):
    """An element with an id. `own` is its HTML with the ids of its parts in place of their HTML."""

    id: str
    html: str
    own: str
    parts: tuple["Fragment", ...] = ()


def leaf(ident: str, html: str) -> Fragment:
    """A piece without parts. `html` is one element whose id is `ident`."""
    return Fragment(ident, html, html)


def whole(ident: str, before: str, parts: Sequence[Fragment], after: str) -> Fragment:
    """A piece made of parts; `before` opens its element and `after` closes it."""
    html = before + "".join(part.html for part in parts) + after
    own = before + "|".join(part.id for part in parts) + after
    return Fragment(ident, html, own, tuple(parts))


def differing(old: Fragment, new: Fragment) -> list[Fragment]:
    """The fewest pieces of `new` that turn a page showing `old` into one showing `new`; both have the same id."""
    if old.own != new.own:
        return [new]
    return [piece for before, after in zip(old.parts, new.parts, strict=True) for piece in differing(before, after)]
