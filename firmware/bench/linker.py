"""Links modules into one, as a linker of C does: many small modules to read, one to load.

On a 64-bit port a module takes 300 bytes of heap besides its code, each name that it imports 16 and each constant 27, and a board has
forty modules with two hundred constants. So those that stay loaded become one module: numbers and short texts with upper-case names
become literals, what nobody uses is left out, and two things of one name are told apart by the name of their module.

It understands what modules of a board consist of, and refuses the rest: `global`, imports in a circle, a joined module as a value, one
that is imported inside a function.
"""

import ast
import builtins
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from firmware.bench.scopes import Rewriter, imported, inner, tops

SHORT = 10  # letters of a text that costs nothing, wherever it is used: mpy-cross keeps each such text once


class Literal(NamedTuple):
    """What the name of a constant becomes."""

    value: int | str


New = str | Literal  # what a name becomes: another name, or a literal
Table = dict[tuple[str, str], New]  # (module, name at its top) -> what it becomes


class LinkError(Exception):
    """A module cannot be linked; the text says which and why."""


class Linked(NamedTuple):
    """`unit`: the source of the one module. `others`: name -> source of each module that was not joined."""

    unit: str
    others: dict[str, str]


def link(unit: str, joined: Iterable[str], sources: dict[str, str]) -> Linked:
    """Join modules into one of the name `unit`. `sources`: name -> source of every module of ours. Raises LinkError, SyntaxError."""
    trees = {name: ast.parse(source, name) for name, source in sources.items()}
    order = _in_order(sorted(joined), trees)
    table = _table(order, trees)
    for name, tree in trees.items():
        _Linker(unit, name, table, set(order)).visit(tree)
    others = {name: tree for name, tree in trees.items() if name not in order}
    statements = [statement for name in order for statement in trees[name].body]
    body = _needed(statements, {name for tree in others.values() for name in _taken_from(unit, tree)})
    return Linked(_source(ast.Module(body, [])), {name: _source(tree) for name, tree in others.items()})


def reachable(roots: Iterable[str], sources: dict[str, str], *, without: Iterable[str] = ()) -> set[str]:
    """`roots` and every module of `sources` that they import at the top, they or what they import, none of `without`."""
    found: set[str] = set()
    waiting = [*roots]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in without:
            found.add(name)
            waiting += _imports(ast.parse(sources[name]), sources)
    return found


def _imports(tree: ast.Module, ours: Iterable[str]) -> list[str]:
    """The modules of ours that a module imports at the top."""
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    names = [name for node in nodes for name in [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]]
    return [name for name in names if name in ours]


def _in_order(joined: list[str], trees: dict[str, ast.Module]) -> list[str]:
    """Every module after those that it imports."""
    order: list[str] = []
    path: list[str] = []

    def visit(name: str) -> None:
        if name in path:
            raise LinkError(f"{' imports '.join([*path[path.index(name) :], name])}: expected no circle")
        if name not in order:
            path.append(name)
            for need in _imports(trees[name], joined):
                visit(need)
            order.append(path.pop())

    for name in joined:
        visit(name)
    return order


def _source(tree: ast.Module) -> str:
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


# What the names at the tops of the joined modules become.


def _table(order: list[str], trees: dict[str, ast.Module]) -> Table:
    table: Table = {}
    inside = {module: inner(trees[module]) for module in order}
    outside = {
        name for module in order for node in trees[module].body if isinstance(node, ast.Import | ast.ImportFrom) for name in imported(node)
    }
    taken = set(dir(builtins))
    for module in order:
        own = dict(tops(trees[module].body))
        elsewhere = taken.union(outside - set(own), *(inside[other] for other in order if other != module))
        literals = _imported_literals(trees[module], table)
        for name, value in own.items():
            literal = _literal(value, literals) if name.isupper() else None
            if literal:
                literals[name] = table[module, name] = literal
            else:
                table[module, name] = new = f"{name}_{module.rpartition('.')[2]}" if name in elsewhere else name
                taken.add(new)
    return table


def _imported_literals(tree: ast.Module, table: Table) -> dict[str, Literal]:
    froms = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    found = {alias.asname or alias.name: table.get((node.module or "", alias.name)) for node in froms for alias in node.names}
    return {name: new for name, new in found.items() if isinstance(new, Literal)}


def _literal(value: ast.expr | None, literals: dict[str, Literal]) -> Literal | None:
    """A short text, or what comes out of an expression of whole numbers and of names of such; else None."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and len(value.value) <= SHORT:
        return Literal(value.value)
    numbers = {name: literal.value for name, literal in literals.items() if isinstance(literal.value, int)}
    if value is None or not all(_is_arithmetic(node, numbers) for node in ast.walk(value)):
        return None
    result = eval(compile(ast.Expression(value), "constant", "eval"), {"__builtins__": {}}, numbers)  # noqa: S307  arithmetic alone
    return Literal(result) if type(result) is int else None


def _is_arithmetic(node: ast.AST, numbers: dict[str, int]) -> bool:
    match node:
        case ast.Constant(value=value):
            return type(value) is int
        case ast.Name(id=name):
            return name in numbers
    return isinstance(node, ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop | ast.expr_context)


class _Linker(Rewriter):
    """Rewrites one module, joined or not, to the names of the unit."""

    def __init__(self, unit: str, module: str, table: Table, joined: set[str]) -> None:
        super().__init__()
        self._unit = unit
        self._module = module
        self._table = table
        self._joined = joined
        self._is_joined = module in joined
        self._modules: dict[str, str] = {}  # name here -> joined module
        self._names: dict[str, New] = {name: new for (owner, name), new in table.items() if owner == module}

    def visit_Module(self, node: ast.Module) -> ast.AST:  # noqa: N802
        if ast.get_docstring(node) is not None:
            del node.body[0]
        return self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> ast.AST:  # noqa: N802
        raise LinkError(f"{self._module}: expected no `{ast.unparse(node)}`")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.stmt]:  # noqa: N802
        source = node.module or ""
        modules = {alias.asname or alias.name: f"{source}.{alias.name}" for alias in node.names if f"{source}.{alias.name}" in self._joined}
        if not modules and source not in self._joined:
            return node
        if not self.at_top and (modules or self._is_joined):
            raise LinkError(f"{self._module}: expected `{ast.unparse(node)}` at the top")
        self._modules |= modules
        if source in self._joined:
            return [*self._import_names(source, node.names)]
        node.names = [alias for alias in node.names if (alias.asname or alias.name) not in modules]
        return [*([] if self._is_joined else [ast.Import([ast.alias(self._unit)])]), *([node] if node.names else [])]

    def _import_names(self, source: str, aliases: list[ast.alias]) -> Iterator[ast.stmt]:
        """Nothing in the unit itself, and none for a literal: it stands where it is used."""
        for alias in aliases:
            name, new = alias.asname or alias.name, self._find(source, alias.name)
            if isinstance(new, Literal) and not self.at_top:
                raise LinkError(f"{self._module}: expected {source}.{alias.name} to be imported at the top")
            if self._is_joined or isinstance(new, Literal):
                self._names[name] = new
            else:
                yield ast.ImportFrom(self._unit, [ast.alias(new, name if name != new else None)], 0)

    def _find(self, module: str, name: str) -> New:
        if (module, name) not in self._table:
            raise LinkError(f"{self._module}: expected {module}.{name}, got no such name")
        return self._table[module, name]

    def global_name(self, node: ast.Name) -> ast.expr:
        if node.id in self._modules:
            raise LinkError(f"{self._module}: expected a name of module {node.id}, got the module, in line {node.lineno}")
        return _made(self._names.get(node.id, node.id), node.ctx)

    def global_attribute(self, node: ast.Attribute, owner: str) -> ast.expr | None:
        if owner not in self._modules:
            return None
        new = self._find(self._modules[owner], node.attr)
        if self._is_joined or isinstance(new, Literal):
            return _made(new, node.ctx)
        return ast.Attribute(ast.Name(self._unit, ast.Load()), new, node.ctx)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:  # noqa: N802
        if self.at_top and all(isinstance(self._names.get(name), Literal) for name, _ in tops([node])):
            return None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:  # noqa: N802
        self._name(node)
        return super().visit_ClassDef(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:  # noqa: N802
        self._name(node)
        return super().visit_FunctionDef(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:  # noqa: N802
        self._name(node)
        return super().visit_AsyncFunctionDef(node)

    def _name(self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if self.at_top:
            node.name = str(self._names.get(node.name, node.name))


def _made(new: New, ctx: ast.expr_context) -> ast.expr:
    return ast.Name(new, ctx) if isinstance(new, str) else ast.Constant(new.value)


# What of the unit is needed.


def _taken_from(unit: str, tree: ast.Module) -> set[str]:
    """The names that a module takes from the unit."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=source, names=names) if source == unit:
                found |= {alias.name for alias in names}
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner == unit:
                found.add(name)
    return found


def _needed(statements: list[ast.stmt], wanted: set[str]) -> list[ast.stmt]:
    """The statements that define what is wanted or that do something, and what these use; each import once."""
    rest = [(statement, _defines(statement)) for statement in statements]
    used = wanted.union(*(_uses(statement) for statement, names in rest if not names))
    size = -1
    while len(used) > size:
        size = len(used)
        used = used.union(*(_uses(statement) for statement, names in rest if names & used))
    kept: dict[str, ast.stmt] = {}  # by its text: an import of two modules is one
    for statement, names in rest:
        if not names or names & used:
            kept.setdefault(ast.unparse(ast.fix_missing_locations(statement)), statement)
    return [*kept.values()]


def _defines(statement: ast.stmt) -> set[str]:
    """The names of a statement that does nothing but define or import; none of any other."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return imported(statement)
    return {name for name, _ in tops([statement])}


def _uses(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
