"""What is wrong with the gateway itself, in words: said on the retained topic `gateway`, so that every desk shows it."""

from collections.abc import Callable

from protocol import wire


class Health:
    """`on_change` is called when a fault comes, changes or goes."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._faults: dict[str, str] = {}

    @property
    def faults(self) -> list[str]:
        """Each as "<name>: <words>"."""
        return [wire.clean(f"{name}: {words}") for name, words in sorted(self._faults.items())]

    def set(self, name: str, words: str | None) -> None:
        """The fault of this name, None if there is none any more."""
        if words == self._faults.get(name):
            return
        if words is None:
            del self._faults[name]
        else:
            self._faults[name] = words
        self._on_change()
