"""Templates are compiled once, and never taken for another."""

from collections.abc import Callable

import pytest
from jinja2 import DictLoader, Environment

from gateway.console.compiled import Compiled


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were compiled."""
    seen: list[str] = []
    whole: Callable[..., object] = Environment.compile
    monkeypatch.setattr(Environment, "compile", lambda self, source, *more: seen.append(source) or whole(self, source, *more))
    return seen


def said(kept: Compiled, source: str, **words: str) -> str:
    environment = Environment(loader=DictLoader({"page": source}), bytecode_cache=kept, autoescape=True)
    environment.globals |= words
    return environment.get_template("page").render()


def test_a_template_is_compiled_once_and_each_language_has_its_own_words(compiled: list[str]) -> None:
    kept = Compiled()
    assert [said(kept, "{{ fire }}", fire=fire) for fire in ("Cháy", "Fire", "Cháy")] == ["Cháy", "Fire", "Cháy"]
    assert compiled == ["{{ fire }}"]


def test_a_template_that_has_changed_is_compiled_anew(compiled: list[str]) -> None:
    kept = Compiled()
    assert [said(kept, source) for source in ("one", "two", "one")] == ["one", "two", "one"]
    assert compiled == ["one", "two"]
