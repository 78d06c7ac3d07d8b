"""Comprehensions become loops: on a board each is a function of its own, and whoever holds one keeps 200 bytes more of a 64-bit heap.

    return max([entry.rank for entry in entries])

    made_0 = []
    for entry_0 in entries:
        made_0.append(entry_0.rank)
    return max(made_0)

The loop comes before its statement, so a comprehension must not need what its statement does to the left of it. One that is not always
evaluated, as in `a and [...]`, stays as it is. any() and all() of a generator end their loop as soon as they know.
"""

import ast

from firmware.bench.scopes import COMPREHENSIONS

# The expressions of a statement that are evaluated once and before all else of it.
FIRST = {
    ast.Return: "value",
    ast.Assign: "value",
    ast.AugAssign: "value",
    ast.Expr: "value",
    ast.For: "iter",
    ast.If: "test",
    ast.Raise: "exc",
}


def unroll(tree: ast.Module) -> None:
    """Rewrite every function of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            _Function().rewrite(node)


class _Function:
    def __init__(self) -> None:
        self._count = 0

    def rewrite(self, node: ast.AST) -> None:
        """Every list of statements below a function or a statement."""
        for field in ("body", "orelse", "finalbody"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                setattr(node, field, [new for each in statements for new in self._statement(each)])
        for handler in getattr(node, "handlers", []):
            self.rewrite(handler)

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return [node]
        field = FIRST.get(type(node))
        value = getattr(node, field) if field else None
        if isinstance(value, ast.IfExp) and isinstance(node, ast.Return | ast.Assign) and _has_comprehension(value):
            return self._statement(_split(node, value))
        before: list[ast.stmt] = []
        if field and value is not None:
            setattr(node, field, self._hoisted(value, before))
        self.rewrite(node)
        return [*before, node]

    def _hoisted(self, node: ast.expr, before: list[ast.stmt]) -> ast.expr:
        """What remains of an expression when its loops are in `before`."""
        match node:
            case ast.Call(func=ast.Name(id="any" | "all" as name), args=[ast.GeneratorExp(generators=[_]) as made]):
                return self._loop(made, before, name)
            case ast.ListComp() | ast.DictComp():
                return self._loop(node, before, "")
            case ast.Lambda() | ast.GeneratorExp() | ast.SetComp():
                pass
            case ast.IfExp():
                node.test = self._hoisted(node.test, before)
            case ast.BoolOp():
                node.values[0] = self._hoisted(node.values[0], before)
            case ast.Compare():
                node.left = self._hoisted(node.left, before)
                node.comparators[0] = self._hoisted(node.comparators[0], before)
            case _:
                self._hoist_parts(node, before)
        return node

    def _hoist_parts(self, node: ast.expr, before: list[ast.stmt]) -> None:
        for field, value in ast.iter_fields(node):
            if isinstance(value, list):
                value[:] = [self._hoisted_part(each, before) for each in value]
            elif isinstance(value, ast.AST):
                setattr(node, field, self._hoisted_part(value, before))

    def _hoisted_part(self, node: ast.AST, before: list[ast.stmt]) -> ast.AST:
        if isinstance(node, ast.keyword):
            node.value = self._hoisted(node.value, before)
        return self._hoisted(node, before) if isinstance(node, ast.expr) else node

    def _loop(self, node: ast.ListComp | ast.DictComp | ast.GeneratorExp, before: list[ast.stmt], name: str) -> ast.Name:
        """Append the loop that does what a comprehension does; its result's name. `name`: any, all, or "" for a list or dict."""
        made = self._own("made")
        targets = {each.id for one in node.generators for each in ast.walk(one.target) if isinstance(each, ast.Name)}
        own = _Renamer({target: self._own(target) for target in sorted(targets)})
        iters = [node.generators[0].iter, *(own.visit(one.iter) for one in node.generators[1:])]
        body = self._taken(node, own, made, name)
        for one, source in reversed([*zip(node.generators, iters, strict=True)]):
            for test in reversed(one.ifs):
                body = self._inside(own.visit(test), body)
            loop = ast.For(own.visit(one.target), source, body, [])
            body = [loop]
        loop.iter = self._hoisted(loop.iter, before)
        start = ast.Constant(name == "all") if name else ast.Dict([], []) if isinstance(node, ast.DictComp) else ast.List([], ast.Load())
        before += [ast.Assign([ast.Name(made, ast.Store())], start), loop]
        return ast.Name(made, ast.Load())

    def _taken(self, node: ast.ListComp | ast.DictComp | ast.GeneratorExp, own: "_Renamer", made: str, name: str) -> list[ast.stmt]:
        """What the innermost loop does with each item."""
        result = ast.Name(made, ast.Load())
        if isinstance(node, ast.DictComp):
            body: list[ast.stmt] = []
            key, value = (self._hoisted(own.visit(each), body) for each in (node.key, node.value))
            return [*body, ast.Assign([ast.Subscript(result, key, ast.Store())], value)]
        element = own.visit(node.elt)
        if name:
            test = element if name == "any" else ast.UnaryOp(ast.Not(), element)
            known: list[ast.stmt] = [ast.Assign([ast.Name(made, ast.Store())], ast.Constant(name == "any")), ast.Break()]
            return self._inside(test, known)
        body = []
        element = self._hoisted(element, body)
        return [*body, ast.Expr(ast.Call(ast.Attribute(result, "append", ast.Load()), [element], []))]

    def _inside(self, test: ast.expr, body: list[ast.stmt]) -> list[ast.stmt]:
        """The statements below an if."""
        before: list[ast.stmt] = []
        test = self._hoisted(test, before)
        return [*before, ast.If(test, body, [])]

    def _own(self, name: str) -> str:
        """A name that nothing else in the function has."""
        self._count += 1
        return f"{name}_{self._count}_"


class _Renamer(ast.NodeTransformer):
    def __init__(self, names: dict[str, str]) -> None:
        self._names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self._names.get(node.id, node.id), node.ctx)


def _has_comprehension(node: ast.AST) -> bool:
    return any(isinstance(each, COMPREHENSIONS) for each in ast.walk(node))


def _split(node: ast.Return | ast.Assign, value: ast.IfExp) -> ast.If:
    """return a if b else c: an if of two."""
    ways: list[ast.stmt] = [
        ast.Return(each) if isinstance(node, ast.Return) else ast.Assign(node.targets, each) for each in (value.body, value.orelse)
    ]
    return ast.If(value.test, ways[:1], ways[1:])
