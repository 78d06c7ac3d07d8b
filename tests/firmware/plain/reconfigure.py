"""What the tests of a change of the configuration do with a board, and look up in it."""

import json
import os

from virtual_board import Stage

WITHOUT = {"v": 1, "site": "s", "device": "B1", "kind": "household", "group": "G1", "brokers": [{"host": "h", "port": 1}]}
MINUTE_MS = 60_000


def online():
    stage = Stage()
    stage.hello()
    stage.live(300)
    return stage


def change(stage, ident="o-1", **fields):
    stage.order(ident, "set", what="config", config=fields)
    stage.live(100)


def restarted(stage, ms=3_000):
    """The next start of a board that restarts within `ms`."""
    before = stage.ms
    while not stage.resets:
        assert stage.ms < before + ms, f"no restart within {ms} ms"
        stage.live(100, step_ms=100)
    return Stage(folder=stage.folder)


def answers(stage):
    stage.live(200)
    return [json.loads(payload) for payload in stage.said("dev/B1/answer")]


def answer(stage, ident="o-1"):
    """(ok, error) of an order, None without an answer. However often it was given, it was the same."""
    found = [(one["ok"], one.get("error")) for one in answers(stage) if one["id"] == ident]
    assert len(set(found)) < 2
    return found[-1] if found else None


def kept(stage):
    with open(stage.folder + "/config.json") as file:
        return json.loads(file.read())


def candidates(stage):
    return [name for name in os.listdir(stage.folder + "/journal") if name[:4] in ("new.", "old.")]


def digests(stage):
    return [json.loads(payload)["config"] for payload in stage.said("dev/B1/state")]


def is_on_trial(stage):
    return stage.parts.config.verify_s == 30


def on_trial():
    """A board at the start of a trial of verify_s 30."""
    stage = online()
    change(stage, verify_s=30)
    stage = restarted(stage)
    assert is_on_trial(stage)
    return stage


class Broken:
    """Files that take no more writes."""

    def __init__(self, files):
        self._files = files

    def __getattr__(self, name):
        return getattr(self._files, name)

    def write(self, *_):
        raise OSError(28)

    rename = move = remove = compose = write
