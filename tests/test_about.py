"""The command `keng` tells of every command that there is, and of no other."""

from importlib.metadata import entry_points

import keng


def test_every_command_is_told_of_in_a_line_and_nothing_else_is() -> None:
    assert set(keng._ABOUT) == {point.name for point in entry_points(group="keng.commands")}
    assert all(0 < len(words) < 60 for words in keng._ABOUT.values())
