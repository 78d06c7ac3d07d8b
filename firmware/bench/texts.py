"""Long texts of a module become places in one: on a board each is an object, 40 bytes of a 64-bit heap for what is seldom said.

    raise OSError("no Wi-Fi %s" % ssid)        raise OSError(TEXTS[120:131] % ssid)

A text is cut out where it is used, so those in a loop stay as they are, and those that are put together only once, at the module's start.
"""

import ast
from collections.abc import Iterator

NAME = "TEXTS"
INTERNED = 10  # letters; mpy-cross keeps a text of so many with the names, once for the whole board, and for good
SHORT = 4  # letters of a text that is no name but would be kept with them: from the 621st name on they take 7 kB of a 64-bit heap more
LEAST = 4  # texts that are worth it: the one text is an object too
LOOPS = (ast.For, ast.While, ast.AsyncFor, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def gather(tree: ast.Module) -> None:
    """Rewrite a module."""
    uses = {id(use): text for use, text in _uses(tree) if _is_long(text) and text.isascii()}
    texts = sorted({*uses.values()}, key=lambda text: (-len(text), text))
    if len(texts) < LEAST:
        return
    whole = ""
    for text in texts:
        if text not in whole:
            whole += text
    places = {use: whole.index(text) for use, text in uses.items()}
    _Cutter(places).visit(tree)
    tree.body.insert(0, ast.Assign([ast.Name(NAME, ast.Store())], ast.Constant(whole)))


def _is_long(text: str) -> bool:
    return len(text) > INTERNED or (len(text) >= SHORT and not text.isidentifier())


def _uses(tree: ast.Module) -> Iterator[tuple[ast.Constant, str]]:
    """The texts that functions use, outside their loops."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting: list[ast.AST] = [each for each in node.body if not _is_docstring(each)]
            while waiting:
                each = waiting.pop()
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    yield each, each.value
                elif not isinstance(each, (*LOOPS, ast.FunctionDef, ast.AsyncFunctionDef, ast.JoinedStr)):
                    waiting += ast.iter_child_nodes(each)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


class _Cutter(ast.NodeTransformer):
    def __init__(self, places: dict[int, int]) -> None:
        self._places = places

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        start = self._places.get(id(node))
        if start is None or not isinstance(node.value, str):
            return node
        part = ast.Slice(ast.Constant(start), ast.Constant(start + len(node.value)))
        return ast.Subscript(ast.Name(NAME, ast.Load()), part, ast.Load())
