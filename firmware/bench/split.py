"""Takes one call out of a statement: what is evaluated before it is evaluated before it, what may not be evaluated still may not.

return self._ready and size(self.next(), len(found(x)))          for the call found(x)

way_1 = self._ready
if way_1:
    way_2 = self.next()
    way_3 = found(x)
    way_1 = size(way_2, len(way_3))
return way_1
"""

import ast
from collections.abc import Callable, Iterator

# The expressions of a statement that are evaluated once, and before all else of it.
FIRST = {
    ast.Return: "value",
    ast.Assign: "value",
    ast.Expr: "value",
    ast.For: "iter",
    ast.If: "test",
    ast.Raise: "exc",
}
NewName = Callable[[], str]


class NotPlain(Exception):
    """The call cannot be taken out."""


def calls(statement: ast.stmt) -> Iterator[ast.Call]:
    """The calls that may be taken out of a statement."""
    field = FIRST.get(type(statement))
    root = getattr(statement, field) if field else None
    waiting: list[ast.AST] = [root] if root is not None else []
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Call):
            yield node
        if not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            waiting += ast.iter_child_nodes(node)


def take_out(statement: ast.stmt, call: ast.Call, new_name: NewName) -> tuple[list[ast.stmt], ast.Assign]:
    """(the statements that do the same, the one of them that assigns the call to a variable). Raises NotPlain."""
    splitter = _Splitter(call, new_name)
    field = FIRST[type(statement)]
    rest = splitter.split(getattr(statement, field))
    setattr(statement, field, rest)
    if splitter.found is None:
        raise NotPlain
    return [*splitter.before, statement], splitter.found


class _Splitter:
    def __init__(self, call: ast.Call, new_name: NewName) -> None:
        self._call = call
        self._new_name = new_name
        self.before: list[ast.stmt] = []
        self.found: ast.Assign | None = None

    def split(self, node: ast.expr) -> ast.expr:
        """What is left of an expression that holds the call; the rest goes to `before`."""
        if node is self._call or (isinstance(node, ast.Await) and node.value is self._call):
            name = self._new_name()
            self.found = ast.Assign([ast.Name(name, ast.Store())], node)
            self.before.append(self.found)
            return ast.Name(name, ast.Load())
        if isinstance(node, ast.IfExp):
            return self._either(node)
        if isinstance(node, ast.BoolOp):
            return self._several(node)
        self._split_parts(node)
        return node

    def _split_parts(self, node: ast.expr) -> None:
        match node:
            case ast.Compare(comparators=[_]):
                node.left, node.comparators[0] = self._in_order([node.left, node.comparators[0]])
            case ast.BinOp():
                node.left, node.right = self._in_order([node.left, node.right])
            case ast.Tuple() | ast.List():
                node.elts = self._in_order(node.elts)
            case ast.UnaryOp():
                node.operand = self.split(node.operand)
            case ast.Attribute() | ast.Starred() | ast.Await():
                node.value = self.split(node.value)
            case ast.Subscript():
                node.value, node.slice = self._in_order([node.value, node.slice])
            case ast.Call():
                self._split_call(node)
            case _:
                raise NotPlain

    def _split_call(self, node: ast.Call) -> None:
        """A method is looked up in its object before the arguments are evaluated; a method does not change meanwhile."""
        keywords = [each.value for each in node.keywords]
        if isinstance(node.func, ast.Attribute):
            parts = self._in_order([node.func.value, *node.args, *keywords])
            node.func.value, parts = parts[0], parts[1:]
        else:
            parts = self._in_order([*node.args, *keywords])
        node.args, values = parts[: len(node.args)], parts[len(node.args) :]
        for each, value in zip(node.keywords, values, strict=True):
            each.value = value

    def _in_order(self, parts: list[ast.expr]) -> list[ast.expr]:
        place = next((index for index, part in enumerate(parts) if self._holds(part)), None)
        if place is None:
            raise NotPlain
        return [*[self._kept(part) for part in parts[:place]], self.split(parts[place]), *parts[place + 1 :]]

    def _kept(self, node: ast.expr) -> ast.expr:
        """The value that an expression has now. A variable is not assigned to within a statement."""
        if isinstance(node, ast.Constant | ast.Name):
            return node
        if isinstance(node, ast.Starred):
            raise NotPlain
        name = self._new_name()
        self.before.append(ast.Assign([ast.Name(name, ast.Store())], node))
        return ast.Name(name, ast.Load())

    def _holds(self, node: ast.AST) -> bool:
        return any(each is self._call for each in ast.walk(node))

    def _either(self, node: ast.IfExp) -> ast.expr:
        if self._holds(node.test):
            node.test = self.split(node.test)
            return node
        name = self._new_name()
        ways = [self._way(each, name) for each in (node.body, node.orelse)]
        self.before.append(ast.If(node.test, *ways))
        return ast.Name(name, ast.Load())

    def _way(self, node: ast.expr, name: str) -> list[ast.stmt]:
        """The statements that assign an expression to a variable."""
        outside, self.before = self.before, []
        value = self.split(node) if self._holds(node) else node
        inside = [*self.before, ast.Assign([ast.Name(name, ast.Store())], value)]
        self.before = outside
        return inside

    def _several(self, node: ast.BoolOp) -> ast.expr:
        place = next(index for index, value in enumerate(node.values) if self._holds(value))
        if place == 0:
            node.values[0] = self.split(node.values[0])
            return node
        name = self._new_name()
        first, rest = node.values[:place], node.values[place:]
        test: ast.expr = ast.Name(name, ast.Load())
        self.before.append(ast.Assign([ast.Name(name, ast.Store())], first[0] if len(first) == 1 else ast.BoolOp(node.op, first)))
        inside = self._way(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest), name)
        self.before.append(ast.If(test if isinstance(node.op, ast.And) else ast.UnaryOp(ast.Not(), test), inside, []))
        return ast.Name(name, ast.Load())
