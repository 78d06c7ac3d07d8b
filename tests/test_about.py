"""The command `keng` tells of every command that there is, and of no other."""

from importlib.metadata import entry_points

import pytest

import keng


def test_every_command_is_told_of_in_a_line_and_nothing_else_is() -> None:
    assert set(keng._ABOUT) == {point.name for point in entry_points(group="keng.commands")}
    assert all(0 < len(words) < 60 for words in keng._ABOUT.values())


def test_a_command_that_lacks_its_packages_names_them_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After `make demo`, or on a gateway, there is no bench."""

    def fail() -> None:
        raise ModuleNotFoundError("No module named 'littlefs'", name="littlefs")

    monkeypatch.setattr(keng, "_run", fail)
    monkeypatch.setattr("sys.argv", ["keng", "device", "list"])
    with pytest.raises(SystemExit) as ended:
        keng.main()
    assert ended.value.code == keng.EXIT_FAILED
    assert capsys.readouterr().err == (
        "keng device: expected the package littlefs, got none; remedy: pip install 'keng[bench]', or in a clone: make setup\n"
    )


@pytest.mark.parametrize(("command", "module"), [("device", "firmware.bench.nothing"), ("engine", "aiomqtt")])
def test_what_the_gateway_itself_lacks_is_a_bug_and_told_whole(command: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(keng, "_run", fail)
    monkeypatch.setattr("sys.argv", ["keng", command])
    with pytest.raises(ModuleNotFoundError):
        keng.main()
