"""A function that is called in one place only becomes part of its caller: on a board it costs 60 bytes of a 64-bit heap, and a call.

Sources are made of small functions for those who read them. Here the body of such a one takes the place of the call, where the call is a
statement of its own or can be made one (split.py). Its variables get names of their own; what is not as plain as that stays as it is,
such as a function that yields, or whose name a text may look up. Nothing becomes part of a coroutine: that may live as long as the board,
and its variables would keep what they have once held.
"""

import ast
import copy
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from firmware.bench import split
from firmware.bench.names import OUTSIDE
from firmware.bench.scopes import COMPREHENSIONS, bound

Function = ast.FunctionDef | ast.AsyncFunctionDef
ROUNDS = 20


class _Place(NamedTuple):
    """A call: its statement stands in `block`, in the function `caller`."""

    caller: Function
    block: list[ast.stmt]
    statement: ast.stmt
    call: ast.Call
    is_last: bool  # nothing of the caller comes after


def inline(trees: Mapping[str, ast.Module], module: str, keep: frozenset[str]) -> None:
    """Rewrite one module of a program. `keep`: names of functions that stay."""
    names = (f"way_{number}_" for number in itertools.count(1))
    for _ in range(ROUNDS):
        if not _once_through(trees, trees[module], keep | OUTSIDE, names):
            return


def _once_through(trees: Mapping[str, ast.Module], tree: ast.Module, keep: frozenset[str], names: Iterator[str]) -> int:
    """How many functions are gone; of each caller's places one at a time, since the others move."""
    counts = uses(trees)
    places = {name: place for owner in _owners(tree) for name, place in _places(owner)}
    gone = 0
    touched: set[int] = set()
    for owner in _owners(tree):
        for function in [each for each in owner.body if isinstance(each, Function)]:
            place = places.get((isinstance(owner, ast.ClassDef), function.name))
            if place is None or counts[function.name] != 1 or function.name in keep or function.name.startswith("__"):
                continue
            if {id(place.caller), id(function)} & touched or place.caller is function:
                continue  # in the next round
            if _moved(function, place, names):
                owner.body.remove(function)
                touched |= {id(place.caller), id(function)}
                gone += 1
                if not owner.body:
                    owner.body.append(ast.Pass())
    return gone


def _owners(tree: ast.Module) -> Iterator[ast.Module | ast.ClassDef]:
    yield tree
    yield from [node for node in tree.body if isinstance(node, ast.ClassDef)]


def uses(trees: Mapping[str, ast.Module]) -> Counter[str]:
    """How often each name is used or defined: a function that is used once counts 1, one of two classes at least 2."""
    found: Counter[str] = Counter()
    defined: Counter[str] = Counter()
    for tree in trees.values():
        for node in ast.walk(tree):
            match node:
                case ast.Name(id=name) | ast.Attribute(attr=name) | ast.Constant(value=str(name)) | ast.keyword(arg=str(name)):
                    found[name] += 1
                case ast.arg(arg=name) | ast.alias(name=name):
                    found[name] += 1
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    defined[name] += 1
    for name, count in defined.items():
        found[name] += count - 1
    return found


def _places(owner: ast.Module | ast.ClassDef) -> Iterator[tuple[tuple[bool, str], _Place]]:
    """((is it a method, name), place) of every call in the functions of a class or a module."""
    for function in owner.body:
        if isinstance(function, ast.FunctionDef):
            for block, statement, is_last in _statements(function.body, True):
                for call in split.calls(statement):
                    match call.func:
                        case ast.Name(id=name):
                            yield (False, name), _Place(function, block, statement, call, is_last)
                        case ast.Attribute(attr=name):
                            yield (True, name), _Place(function, block, statement, call, is_last)


def _statements(block: list[ast.stmt], is_last: bool) -> Iterator[tuple[list[ast.stmt], ast.stmt, bool]]:
    for index, node in enumerate(block):
        last = is_last and index == len(block) - 1
        yield block, node, last
        match node:
            case ast.If():
                yield from _statements(node.body, last)
                yield from _statements(node.orelse, last)
            case ast.For() | ast.While():
                yield from _statements(node.body, False)
                yield from _statements(node.orelse, False)
            case ast.With():
                yield from _statements(node.body, False)
            case ast.Try():
                for part in (node.body, node.orelse, node.finalbody, *[handler.body for handler in node.handlers]):
                    yield from _statements(part, False)


def _moved(function: Function, place: _Place, names: Iterator[str]) -> bool:
    """Put the function's body in the place of its call, if that can be."""
    index = place.block.index(place.statement)
    call, awaited = _call(place.statement)
    if call is place.call:
        body = _body(function, place, place.statement, awaited, next(names))
        if body is None:
            return False
        place.block[index : index + 1] = body
        return True
    trial = copy.deepcopy(place.statement)
    number = [*split.calls(place.statement)].index(place.call)
    try:
        statements, found = split.take_out(trial, [*split.calls(trial)][number], names.__next__)
    except split.NotPlain:
        return False
    _, awaited = _call(found)
    body = _body(function, place, found, awaited, next(names))
    if body is None:
        return False
    place.block[index : index + 1] = _replaced(statements, found, body)
    return True


def _replaced(statements: list[ast.stmt], found: ast.stmt, body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements with a body for one of them, in whatever if it stands."""
    result: list[ast.stmt] = []
    for each in statements:
        if each is found:
            result += body
            continue
        if isinstance(each, ast.If):
            each.body, each.orelse = _replaced(each.body, found, body), _replaced(each.orelse, found, body)
        result.append(each)
    return result


def _call(node: ast.stmt) -> tuple[ast.Call | None, bool]:
    """The call that a statement is, and whether it is awaited."""
    match node:
        case ast.Expr(value=value) | ast.Return(value=value) | ast.Assign(targets=[ast.Name() | ast.Attribute()], value=value):
            if isinstance(value, ast.Await) and isinstance(value.value, ast.Call):
                return value.value, True
            return (value, False) if isinstance(value, ast.Call) else (None, False)
    return None, False


def _body(function: Function, place: _Place, statement: ast.stmt, awaited: bool, suffix: str) -> list[ast.stmt] | None:
    """What takes the place of the statement that the call is; None if that cannot be. `suffix`: makes names its own."""
    call, _ = _call(statement)
    if call is None or isinstance(function, ast.AsyncFunctionDef) != awaited or function.decorator_list or not _is_plain(function):
        return None
    given = _given(function, call)
    own = bound(function)
    outside = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)} - own
    if given is None or outside & bound(place.caller):
        return None
    names = {name: f"{name}_{suffix}" for name in own}
    stored = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del)}
    before: list[ast.stmt] = []
    for name, value in given.items():
        if not _stands_for(value, name, stored, place):
            before.append(ast.Assign([ast.Name(names[name], ast.Store())], value))
            given[name] = ast.Name(names[name], ast.Load())
    body = [_Substitute(names, given).visit(node) for node in copy.deepcopy(function.body) if not _is_docstring(node)]
    result = _placed(body, statement, place.is_last and statement is place.statement)
    return None if result is None else [*before, *(result or [ast.Pass()])]


def _stands_for(value: ast.expr, parameter: str, stored: set[str], place: _Place) -> bool:
    """True if a parameter needs no variable: a constant, or a variable of the caller that nothing is assigned to meanwhile."""
    if parameter in stored:
        return False
    if isinstance(value, ast.Constant):
        return True
    return isinstance(value, ast.Name) and value.id in bound(place.caller) and not _stores(place.statement, value.id)


def _is_plain(function: Function) -> bool:
    nested = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, *COMPREHENSIONS, ast.Yield, ast.YieldFrom, ast.Global)
    return not any(isinstance(node, nested) for node in ast.walk(function) if node is not function)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _stores(node: ast.stmt, variable: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == variable and isinstance(each.ctx, ast.Store) for each in ast.walk(node))


def _given(function: Function, call: ast.Call) -> dict[str, ast.expr] | None:
    """Parameter -> what the call gives for it, in the order of the call; None where that is not plain."""
    arguments = function.args
    if arguments.vararg or arguments.kwarg or any(isinstance(each, ast.Starred) for each in call.args):
        return None
    names = [each.arg for each in arguments.args]
    values: list[ast.expr] = [*([call.func.value] if isinstance(call.func, ast.Attribute) else []), *call.args]
    given = dict(zip(names, values, strict=False))
    for each in call.keywords:
        if each.arg is None:
            return None
        given[each.arg] = each.value
    defaults = dict(zip(names[len(names) - len(arguments.defaults) :], arguments.defaults, strict=True))
    defaults |= {each.arg: value for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if value}
    for name, default in defaults.items():
        if name not in given:
            if not isinstance(default, ast.Constant):
                return None
            given[name] = default
    return given if set(given) == {*names, *[each.arg for each in arguments.kwonlyargs]} else None


class _Substitute(ast.NodeTransformer):
    def __init__(self, names: dict[str, str], given: dict[str, ast.expr]) -> None:
        self._names = names
        self._given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._given and isinstance(node.ctx, ast.Load):
            return copy.deepcopy(self._given[node.id])
        return ast.Name(self._names.get(node.id, node.id), node.ctx)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        return self._imported(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        return self._imported(node)

    def _imported(self, node: ast.Import | ast.ImportFrom) -> ast.AST:
        for alias in node.names:
            here = alias.asname or alias.name
            alias.asname = self._names.get(here, here)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = node.name and self._names.get(node.name, node.name)
        return self.generic_visit(node)


# What becomes of the returns of a body that is put into another.


def _placed(body: list[ast.stmt], statement: ast.stmt, is_last: bool) -> list[ast.stmt] | None:
    if isinstance(statement, ast.Return):
        return body if _always_leaves(body) else [*body, ast.Return(None)]
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    if target is not None and not _always_leaves(body):
        body = [*body, ast.Return(ast.Constant(None))]
    plain = _without_returns(body, target)
    if plain is None and is_last and target is None:
        plain = [_Bare().visit(node) for node in body]
    return plain


class _Bare(ast.NodeTransformer):
    """Nobody asks for what is returned."""

    def visit_Return(self, node: ast.Return) -> ast.AST | list[ast.stmt]:
        return [*_returned(node.value, None), ast.Return(None)]


def _always_leaves(body: list[ast.stmt]) -> bool:
    match body[-1] if body else None:
        case ast.Return() | ast.Raise():
            return True
        case ast.If(body=inner, orelse=other):
            return _always_leaves(inner) and _always_leaves(other)
    return False


def _has_return(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Return) for each in ast.walk(node))


def _without_returns(body: list[ast.stmt], target: ast.expr | None) -> list[ast.stmt] | None:
    """The statements with an assignment to `target`, or nothing, for each return; None where a return leaves a loop or the like."""
    done: list[ast.stmt] = []
    for index, node in enumerate(body):
        if not _has_return(node):
            done.append(node)
        elif isinstance(node, ast.Return):
            return [*done, *_returned(node.value, target)]
        elif isinstance(node, ast.If):
            rest = _rest_of_if(node, body[index + 1 :], target)
            return None if rest is None else [*done, *rest]
        else:
            return None
    return done


def _returned(value: ast.expr | None, target: ast.expr | None) -> list[ast.stmt]:
    if target is not None:
        return [ast.Assign([target], value or ast.Constant(None))]
    return [ast.Expr(value)] if value is not None and not isinstance(value, ast.Constant | ast.Name) else []


def _rest_of_if(node: ast.If, rest: list[ast.stmt], target: ast.expr | None) -> list[ast.stmt] | None:
    """An if with returns inside and what comes after it: that belongs to the ways that do not leave."""
    leaves, other_leaves = _always_leaves(node.body), _always_leaves(node.orelse)
    if rest and not (leaves or other_leaves):
        return None  # it would be needed twice
    inner = _without_returns(node.body if leaves else [*node.body, *rest], target)
    other = _without_returns([*node.orelse, *rest] if leaves else node.orelse, target)
    if inner is None or other is None:
        return None
    if not inner:
        return [ast.If(ast.UnaryOp(ast.Not(), node.test), other, [])] if other else [ast.Expr(node.test)]
    return [ast.If(node.test, inner, other)]
