"""A script that looks into a board's program, as a test or a bench does, rewritten to the names of a bundle.

    python -m firmware.bench.translation BUNDLE/symbols.json SCRIPT

prints it. Attributes are renamed, what calls name, and parameters after a *; nothing that a module has which is none of the bundle's.
"""

import argparse
import ast
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from firmware.bench.names import attributes_of, root_of
from firmware.bench.symbols import Symbols


class _Translator(ast.NodeTransformer):
    def __init__(self, new: Mapping[str, str], foreign: set[str]) -> None:
        self._new = new
        self._foreign = foreign

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if root_of(node) not in self._foreign:
            node.attr = self._new.get(node.attr, node.attr)
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        node.arg = node.arg and self._new.get(node.arg, node.arg)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """What comes in by name alone has its new name."""
        new = {each.arg: self._new[each.arg] for each in node.args.kwonlyargs if each.arg in self._new}
        for each in ast.walk(node):
            match each:
                case ast.arg(arg=name) if name in new:
                    each.arg = new[name]
                case ast.Name(id=name) if name in new:
                    each.id = new[name]
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        before = len(attributes_of(node.name, {node.name: node}))
        for each in node.body:
            match each:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    each.name = self._new.get(name, name)
                case ast.Assign(targets=[ast.Name(id=name) as target]):
                    target.id = self._new.get(name, name)
        self.generic_visit(node)
        if len(attributes_of(node.name, {node.name: node})) < before:
            raise ValueError(f"class {node.name}: two of its attributes would become one")
        return node


def translate(source: str, symbols: Symbols) -> str:
    """The script for the bundle of these symbols. Raises SyntaxError; ValueError where two attributes of its own would become one."""
    tree = ast.parse(source)
    imports = {alias.asname or alias.name: alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    foreign = {here for here, name in imports.items() if name.replace(".", "/") not in symbols["lines"]}
    return ast.unparse(_Translator(symbols["names"], foreign).visit(tree))


def main(arguments: list[str] | None = None) -> int:
    """The command line: 0 done, 2 wrong input."""
    parser = argparse.ArgumentParser(prog="python -m firmware.bench.translation", description=__doc__)
    parser.add_argument("symbols", type=Path, help="of the bundle")
    parser.add_argument("script", type=Path, help="MicroPython")
    chosen = parser.parse_args(arguments)
    try:
        symbols: Symbols = json.loads(chosen.symbols.read_text(encoding="utf-8"))
        sys.stdout.write(translate(chosen.script.read_text(encoding="utf-8"), symbols) + "\n")
    except (OSError, ValueError, SyntaxError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
