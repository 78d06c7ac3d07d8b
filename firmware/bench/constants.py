"""A constant that is used in one place stands there: on a board its name at a module's top takes 16 bytes of a 64-bit heap, and more where
the module's names become too many for their table, which then grows by a third.

    BACK_OFF_MS = (500, 8_000)
    return doubled(BACK_OFF_MS, times)        return doubled((500, 8_000), times)

The fields of a named tuple become one text, which its class needs no more once it is made: a tuple of them takes 64 to 128 bytes.
"""

import ast
from collections.abc import Mapping

from firmware.bench.inlined import uses
from firmware.bench.texts import INTERNED


def place(trees: Mapping[str, ast.Module], module: str) -> None:
    """Rewrite one module of a program."""
    found = uses(trees)
    tree = trees[module]
    here = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id.isupper()}
    values = {}
    for node in [*tree.body]:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if found[name] == 2 and name in here and _is_constant(value):
                values[name] = value
                tree.body.remove(node)
    _Placer(values).visit(tree)


def _is_constant(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) or (isinstance(value, ast.Tuple) and all(_is_constant(each) for each in value.elts))


class _Placer(ast.NodeTransformer):
    def __init__(self, values: Mapping[str, ast.expr]) -> None:
        self._values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._values.get(node.id, node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node:
            case ast.Call(func=ast.Name(id="namedtuple"), args=[_, ast.Tuple(elts=fields)]):
                text = " ".join(ast.literal_eval(each) for each in fields)
                if len(text) > INTERNED:  # a shorter one would be a name
                    node.args[1] = ast.Constant(text)
        return self.generic_visit(node)
