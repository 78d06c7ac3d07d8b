"""A class statement becomes a call of type(): on a board that makes a smaller class, 40 bytes of a 64-bit heap each.

    class Bell(Output):                    def Bell():
        is_bell = True                         is_bell = True
        def ring(self):                        def ring(self):
            ...                                    ...
                                               return {"is_bell": is_bell, "ring": ring}
                                           Bell = type("Bell", (Output,), Bell())

The table of a class grows in steps while its statement runs, and holds two names that MicroPython never asks for, __module__ and
__qualname__. A dict that is written out has as many places as it needs.
"""

import ast
import string

from firmware.bench.scopes import bound


def write_out(tree: ast.Module) -> None:
    """Rewrite the classes at the top of a module whose bodies only define names."""
    tree.body = [new for node in tree.body for new in (_written_out(node) if isinstance(node, ast.ClassDef) else [node])]


def _written_out(node: ast.ClassDef) -> list[ast.stmt]:
    body = [each for each in node.body if not isinstance(each, ast.Pass) and not _is_docstring(each)]
    plain = all(isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign) for each in body)
    if not plain or node.keywords or node.decorator_list:
        return [node]
    _Supers(node.name).visit(node)
    names = list(dict.fromkeys(name for each in body for name in _defines(each)))
    made: ast.expr = ast.Dict([], [])
    before: list[ast.stmt] = []
    if names:
        before = [_maker(node.name, body, names)]
        made = ast.Call(ast.Name(node.name, ast.Load()), [], [])
    values = [ast.Constant(node.name), ast.Tuple(node.bases, ast.Load()), made]
    return [*before, ast.Assign([ast.Name(node.name, ast.Store())], ast.Call(ast.Name("type", ast.Load()), values, []))]


def _maker(name: str, body: list[ast.stmt], names: list[str]) -> ast.FunctionDef:
    """The function that makes the class's dict. It has the class's name, which it loses to the class: no name more than before."""
    local = _locals(body, names)
    renamer = _Renamer(local)
    for each in body:
        renamer.rename(each)
    table = ast.Dict([ast.Constant(each) for each in names], [ast.Name(local[each], ast.Load()) for each in names])
    return ast.FunctionDef(name, ast.arguments([], [], None, [], [], None, []), [*body, ast.Return(table)], [])


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _defines(node: ast.stmt) -> list[str]:
    """The names that a statement of a class binds."""
    return sorted(bound(ast.Module([node], [])))


def _locals(body: list[ast.stmt], names: list[str]) -> dict[str, str]:
    """What each name of a class is called in the function that makes it. Where a name at the top is meant it must not be met instead, so
    it is a letter then: those are names already, and a new one would cost heap.
    """
    meant: set[str] = set()
    known: set[str] = set()
    for node in body:
        meant |= _meant(node, known)
        known |= {*_defines(node)}
    spare = (letter for letter in string.ascii_letters if letter not in meant.union(names))
    return {name: next(spare) if name in meant else name for name in names}


def _meant(node: ast.stmt, known: set[str]) -> set[str]:
    """The names of things at the top that a statement of a class uses. `known`: what the class has before it."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return _used(node) - known
    inside = set().union(*(_used(each) for each in node.body)) - bound(node)
    return inside.union(*(_used(each) - known for each in [node.args, *node.decorator_list]))


def _used(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}


class _Renamer(ast.NodeTransformer):
    """Renames what the body of a class defines, and uses once it has it; not what its methods use."""

    def __init__(self, names: dict[str, str]) -> None:
        self._names = names
        self._known: set[str] = set()

    def rename(self, node: ast.stmt) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self.visit(node.args)
            node.decorator_list = [self.visit(each) for each in node.decorator_list]
            self._known.add(node.name)
            node.name = self._names[node.name]
        else:
            self.visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        node.value = self.visit(node.value)
        self._known |= {*_defines(node)}
        node.targets = [self.visit(each) for each in node.targets]
        return node

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id in self._known:
            node.id = self._names[node.id]
        return node


class _Supers(ast.NodeTransformer):
    """super() finds its class only within a class statement."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._own = ""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._method(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._method(node)

    def _method(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self._own = node.args.args[0].arg if node.args.args else ""
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            node.args = [ast.Name(self._name, ast.Load()), ast.Name(self._own, ast.Load())]
        return node
