"""What the bundle does to a program for the sake of a board's heap changes nothing that it does."""

import ast
import asyncio
import functools
import io
import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from firmware.bench import bundle, classes, constants, inlined, names, split, symbols, texts, translation, unrolled

LOOPS = """
def ranks(entries, least=2):
    return max([rank for name, rank in entries if rank >= least])
def either(words):
    known = [[letter for letter in word] for word in words] if words else None
    return known or [word for word in "ab"]
def found(rows):
    if any(cell == 7 for row in rows for cell in row) or not all(row for row in rows):
        return {row[0]: sum([cell for cell in row if cell not in [each for each in (1, 2)]]) for row in rows if row}
    elif any(row == [9] for row in rows):
        for cell in [row[0] + 1 for row in rows]:
            yield_ = cell
        return yield_
    row = "kept"
    total = 0
    total += len([row for row in rows])
    return row, total
def later(word):
    told = [word.upper() for word in [word, "b"]]
    return word, told, (lambda: [letter for letter in word])()
"""


def run(source: str, name: str = "module") -> ModuleType:
    module = ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
    return module


@pytest.mark.parametrize(
    ("function", "argument"),
    [
        ("ranks", [("a", 2), ("b", 5), ("c", 1)]),
        ("either", ["xy", ""]),
        ("either", []),
        ("found", [[1, 7], [3], [2, 4]]),
        ("found", [[1], []]),
        ("found", [[9]]),
        ("found", [[8, 3], [1, 2]]),
        ("later", "ab"),
    ],
)
def test_loops_do_what_comprehensions_did(function: str, argument: object) -> None:
    tree = ast.parse(LOOPS)
    unrolled.unroll(tree)
    source = ast.unparse(ast.fix_missing_locations(tree))
    assert getattr(run(source), function)(argument) == getattr(run(LOOPS), function)(argument)


def test_comprehensions_become_loops_where_they_are_evaluated_for_certain() -> None:
    tree = ast.parse(LOOPS)
    unrolled.unroll(tree)
    left = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp)]
    assert left == [
        "[word for word in 'ab']",
        "(cell == 7 for row in rows for cell in row)",
        "(row for row in rows)",
        "[letter for letter in word]",
    ]


TIMES = """
from collections import namedtuple
BEATS_MS = (500, (1500, None))
NAME = "bell"
TWICE = (1,)
SUM = BEATS_MS + ("kept",)
late = (2,)
Cause = namedtuple("Cause", ("sound", "answer"))
Pair = namedtuple("Pair", ("a", "b"))
def play():
    return NAME, TWICE, TWICE, SUM, late, Cause("fire", answer=1), Pair(3, 4).b
"""


def test_constants_that_are_used_once_stand_where_they_are_used() -> None:
    tree = ast.parse(TIMES)
    other = ast.parse("from times import OUTSIDE")
    tree.body.append(ast.parse("OUTSIDE = 7").body[0])
    constants.place({"times": tree, "other": other}, "times")
    module, before = run(ast.unparse(ast.fix_missing_locations(tree))), run(TIMES)
    assert module.play() == before.play()
    assert {"TWICE", "SUM", "late", "OUTSIDE"} <= set(vars(module))
    assert not {"BEATS_MS", "NAME"} & set(vars(module))
    assert "'sound answer'" in ast.unparse(tree)


BELL = """
import time
LOUD = 3
class Output:
    level = 0
    def __init__(self, drive, *, first=LOUD):
        self.drive = drive
        self._first = first
    def play(self, sound):
        self.drive(sound, self._first)
        return self
class Bell(Output):
    def ring(self, times):
        def once(each):
            return each + times
        return [once(each) for each in range(times)], self.play("fire"), time.time() > 0
class Trouble(ValueError):
    pass
class Parts:
    def __init__(self, **parts):
        for name, part in parts.items():
            setattr(self, name, part)
"""
STAGE = """
from bell import Bell, LOUD, Parts, Trouble
told = []
def drive(sound, first):
    told.append((sound, first))
def play(first):
    gong = Bell(drive, first=first)
    gong.level = LOUD
    try:
        raise Trouble("x")
    except Trouble as exc:
        name = type(exc).__name__
    return gong.ring(2)[0], gong.level, told[-1], name, Parts(drive=1, play=2).drive, getattr(gong, "level")
"""


def renamed() -> tuple[names.Names, dict[str, ast.Module]]:
    trees = {"bell": ast.parse(BELL), "stage": ast.parse(STAGE)}
    few = names.Names(trees)
    few.rename()
    return few, trees


def test_renamed_modules_do_what_they_did(monkeypatch: pytest.MonkeyPatch) -> None:
    few, trees = renamed()
    monkeypatch.setitem(sys.modules, "bell", run(ast.unparse(trees["bell"]), "bell"))
    stage = run(ast.unparse(trees["stage"]), "stage")
    assert getattr(stage, few.new["play"])(5) == ([2, 3], 3, ("fire", 5), "Trouble", 1, 3)
    assert {"drive", "play", "Bell", "ring", "LOUD", "_first"} <= set(few.new)
    assert not {"time", "level", "Trouble"} & set(few.new)


def test_names_of_one_class_or_module_stay_apart() -> None:
    few, _ = renamed()
    for space in (["drive", "_first", "play", "ring"], ["LOUD", "Output", "Bell", "Parts"], ["told", "drive", "play"]):
        assert len({few.new[name] for name in space}) == len(space)


def test_a_script_from_outside_is_translated_or_refused() -> None:
    table = symbols.Symbols(names={"look": "a", "poll": "b", "late": "a"}, lines={"resident": []})
    script = "import resident, wires\nresident.look(poll=1)\nwires.look()"
    assert translation.translate(script, table) == "import resident, wires\nresident.a(b=1)\nwires.look()"
    assert translation.translate("class One:\n    poll = 1\n    def look(self):\n        return self.poll", table).split() == (
        ["class", "One:", "b", "=", "1", "def", "a(self):", "return", "self.b"]
    )
    assert translation.translate("def f(look, *, late=0):\n    return late", table) == "def f(look, *, a=0):\n    return a"
    with pytest.raises(ValueError, match="class Two"):
        translation.translate("class Two:\n def look(self): self.late = 1", table)


@functools.cache
def program() -> bundle.Program:
    modules = {name: path.read_text(encoding="utf-8") for name, path in bundle.sources("esp32_wroom").items()}
    return bundle.linked(modules | {"built": "BUILT_S = 1\n"})


def test_no_name_changes_that_an_object_of_python_knows() -> None:
    """CPython's objects have what MicroPython's have, and more."""
    kinds = [str, bytes, bytearray, memoryview, int, float, list, tuple, dict, set, object, type, Exception, OSError, StopIteration]
    kinds += [socket.socket, ssl.SSLContext, io.BytesIO, io.StringIO, io.FileIO, asyncio.Event, asyncio.Task, type(each for each in ())]
    known = {name for kind in kinds for name in dir(kind)}
    assert set(program().names) & (known | names.OUTSIDE) == set()


def test_no_name_changes_that_a_text_of_the_sources_has() -> None:
    """once() and others look names up by texts, long ones too."""
    sources = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in bundle.sources("esp32_wroom").items()}
    unread = {"alive"}  # of a desk's topic: what no board reads is not in the bundle
    assert set(program().names) & names.texts_of(sources) == unread


def test_every_attribute_of_the_program_is_one_that_it_defines_or_known_outside() -> None:
    """An attribute that is new in a class of another is no attribute of this: both have been looked at together."""
    made = program()
    trees = {name: ast.parse(source) for name, source in made.sources.items()}
    new = set(made.names.values())
    defined = {name for tree in trees.values() for node in ast.walk(tree) for name in _defined(node)}
    used = {node.attr for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert used & new <= defined
    assert not used & set(made.names)


def _defined(node: ast.AST) -> list[str]:
    match node:
        case ast.Attribute(attr=name, ctx=ast.Store()) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.Name(id=name, ctx=ast.Store()) | ast.ClassDef(name=name):
            return [name]
    return []


def test_symbols_explain_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = program()
    for name, source in made.sources.items():
        assert source.count("\n") == made.readable[name].count("\n")
    number = next(n for n, line in enumerate(made.readable["resident"].splitlines(), 1) if "state = point.sense(now)" in line)
    file = tmp_path / symbols.FILE
    file.write_text(json.dumps({"lines": {name: symbols.lines(source) for name, source in made.readable.items()}}), encoding="utf-8")
    assert symbols.main([str(file), f"resident:{number} aB; main:1 start; ValueError: bug"]) == 0
    assert f"  resident:{number}  Agent._look_at: state = point.sense(now)\n" in capsys.readouterr().out
    assert symbols.main([str(tmp_path / "gone.json"), "x"]) == 2


CALLS = """
def ring(box, now):
    if now > 3:
        return box.first(now, box.count and _size([now, _late(now)]))
    box.settle(_size([now]) - 1)
    for each in (1, 2):
        box.step(each)
    found = _late(now) if now else box.lost()
    return found, box.told
def _size(items):
    return len(items)
def _late(now):
    return now + 1
class Box:
    def __init__(self):
        self.told = []
        self.count = 2
    def first(self, now, size):
        self.told.append(("first", now, size))
        return self.told
    def settle(self, rank):
        if rank:
            self.told.append("ranked")
            return
        self.told.append(("settled", rank))
    def step(self, each):
        for other in (each, 5):
            if other == 2:
                return
        self.told.append(each)
    def lost(self):
        try:
            return self.told[7]
        except IndexError as exc:
            return type(exc).__name__
    def unused(self):
        return None
def play(now):
    return ring(Box(), now)
"""


@pytest.mark.parametrize("now", [0, 1, 5])
def test_inlined_functions_do_what_they_did(now: int) -> None:
    trees = {"calls": ast.parse(CALLS), "stage": ast.parse("import calls\ncalls.play(1)")}
    inlined.inline(trees, "calls", frozenset({"unused"}))
    left = {node.name for node in ast.walk(trees["calls"]) if isinstance(node, ast.FunctionDef)}
    assert {"_size", "_late", "step", "unused", "play"} <= left
    assert not {"settle", "ring"} & left
    source = ast.unparse(ast.fix_missing_locations(trees["calls"]))
    assert run(source).play(now) == run(CALLS).play(now)


ORDER = """
def play(told):
    def first(each):
        told.append(each)
        return each
    return [first(1), told[-1], first(2) + len(told)], first(0) or first(3)
"""


def test_what_is_evaluated_before_a_call_stays_before_it() -> None:
    tree = ast.parse(ORDER)
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    call = next(each for each in split.calls(function.body[-1]) if ast.unparse(each) == "first(3)")
    statements, found = split.take_out(function.body[-1], call, iter("abcdefgh").__next__)
    function.body[-1:] = statements
    assert ast.unparse(ast.fix_missing_locations(found)).endswith("= first(3)")
    for module in (run(ast.unparse(ast.fix_missing_locations(tree))), run(ORDER)):
        told: list[int] = []
        assert (module.play(told), told) == (([1, 1, 4], 3), [1, 2, 0, 3])


TEXTS = """
START = "told at the start, once"
def tell(number):
    if number:
        raise ValueError("expected no number at all, got %d" % number)
    for each in (1, 2):
        told = "each time the same"
    return "nothing to be told", "expected no number", told, "short"
def more():
    return "another long text", "and one more of them", "no name"
"""


def test_long_texts_become_places_in_one_and_say_the_same() -> None:
    tree = ast.parse(TEXTS)
    texts.gather(tree)
    source = ast.unparse(ast.fix_missing_locations(tree))
    assert "nothing to be told'" not in source
    assert "'each time the same'" in source
    assert "'no name'" not in source, "it would be kept with the names, for good"
    assert "'short'" in source
    module, before = run(source), run(TEXTS)
    assert (module.tell(0), module.more()) == (before.tell(0), before.more())
    with pytest.raises(ValueError, match="expected no number at all, got 3"):
        module.tell(3)


CLASSES = """
limit = 3
def size(items):
    return len(items)
class Things:
    def __init__(self, items):
        self.items = items
    def first(self):
        return self.items[0]
class Box(Things):
    "A class whose names are those of things at the top too."
    limit = limit + 1
    twice = limit * 2
    lost = gone = None
    left, right = 5, limit
    def __init__(self, *items, size=size, most=limit):
        super().__init__(items)
        self.told = size(items), most
    def size(self):
        return size(self.items), limit, self.limit
    @property
    def room(self):
        return self.limit - size(self.items)
    async def later(self):
        return super().first()
class Lid(Box):
    def size(self):
        return ("lid",) + super().size()
class Full(ValueError):
    "Nothing but a name."
class Odd(metaclass=type):
    kept = 1
def play():
    found = [(each.size(), each.told, each.room, each.twice, each.lost, each.gone, each.right, each.left) for each in (Box(1), Lid(2, 3))]
    try:
        Lid(7).later().send(None)
    except StopIteration as exc:
        found.append(exc.value)
    try:
        raise Full("up to here")
    except ValueError as exc:
        return found, str(exc), type(exc).__name__, Odd.kept, isinstance(Lid(), Box)
"""


def written_out() -> str:
    tree = ast.parse(CLASSES)
    classes.write_out(tree)
    return ast.unparse(ast.fix_missing_locations(tree))


def test_classes_that_are_written_out_do_what_they_did() -> None:
    assert run(written_out()).play() == run(CLASSES).play()
    left = [node.name for node in ast.walk(ast.parse(written_out())) if isinstance(node, ast.ClassDef)]
    assert left == ["Odd"], "what is more than names and methods stays"


def test_classes_that_are_written_out_do_the_same_on_micropython(micropython: str) -> None:
    def told(source: str) -> str:
        script = source.replace("metaclass=type", "") + "\nprint(play())"
        return subprocess.run([micropython, "-c", script], capture_output=True, text=True, timeout=30, check=True).stdout

    assert told(written_out()) == told(CLASSES)
    assert "'up to here', 'Full', 1, True" in told(written_out())
