"""Names of Python modules: what each scope binds, and rewriting the names that mean something at the top of a module."""

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterator

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def tops(body: list[ast.stmt]) -> Iterator[tuple[str, ast.expr | None]]:
    """(name, value of an assignment) of everything that the statements of a module or class define; not what they import."""
    waiting = list(body)
    while waiting:
        match waiting.pop(0):
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, None
            case ast.Assign(targets=[ast.Name(name)], value=value):
                yield name, value
            case ast.Assign(targets=[ast.Tuple(names)], value=ast.Tuple(values)) if len(names) == len(values):
                yield from [(each.id, value) for each, value in zip(names, values, strict=True) if isinstance(each, ast.Name)]
            case ast.Try(body=tried, handlers=handlers):
                waiting += [*tried, *(statement for handler in handlers for statement in handler.body)]


def imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    """The names that an import binds."""
    return {alias.asname or alias.name for alias in node.names}


def bound(scope: ast.AST) -> set[str]:
    """The names that a function, lambda or comprehension binds itself."""
    names = {each.arg for each in ast.walk(scope.args) if isinstance(each, ast.arg)} if isinstance(scope, FUNCTIONS) else set()
    waiting = [*ast.iter_child_nodes(scope)]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.Import() | ast.ImportFrom():
                names |= imported(node)
        if not isinstance(node, (*FUNCTIONS, *COMPREHENSIONS, ast.ClassDef)):
            waiting += ast.iter_child_nodes(node)
    return names


def inner(tree: ast.Module) -> set[str]:
    """Every name that some scope below the top binds."""
    return {name for node in ast.walk(tree) if isinstance(node, (*FUNCTIONS, *COMPREHENSIONS)) for name in bound(node)}


class Rewriter(ast.NodeTransformer, ABC):
    """Rewrites a module. A subclass says what becomes of a name, or of an attribute of a name, that no scope below the top binds."""

    def __init__(self) -> None:
        self._seen: list[set[str]] = []  # the scopes whose names count here
        self._inherited: list[set[str]] = []  # and those that count in a function that begins here: a class's do not

    @abstractmethod
    def global_name(self, node: ast.Name) -> ast.expr:
        """What takes the place of a name of the top."""

    @abstractmethod
    def global_attribute(self, node: ast.Attribute, owner: str) -> ast.expr | None:
        """What takes the place of an attribute of `owner`, a name of the top; None to leave it."""

    @property
    def at_top(self) -> bool:
        """True outside every function and class."""
        return not self._seen

    def is_global(self, name: str) -> bool:
        """True if no scope around binds the name."""
        return not any(name in scope for scope in self._seen)

    def visit_Name(self, node: ast.Name) -> ast.expr:  # noqa: D102
        return self.global_name(node) if self.is_global(node.id) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:  # noqa: D102
        if isinstance(node.value, ast.Name) and self.is_global(node.value.id):
            found = self.global_attribute(node, node.value.id)
            if found:
                return found
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:  # noqa: D102
        node.bases = [self.visit(base) for base in node.bases]
        self._enter(node, self._inherited, {name for name, _ in tops(node.body)})
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:  # noqa: D102
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:  # noqa: D102
        return self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:  # noqa: D102
        return self._function(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """A comprehension binds names of its own; its first iterable is taken with them, which only a shadowed name could tell."""
        if not isinstance(node, COMPREHENSIONS):
            return super().generic_visit(node)
        outside = self._seen, self._inherited
        own = bound(node)
        self._seen, self._inherited = [*self._seen, own], [*self._inherited, own]
        super().generic_visit(node)
        self._seen, self._inherited = outside
        return node

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> ast.AST:
        self.generic_visit(node.args)  # defaults belong to the scope around
        if not isinstance(node, ast.Lambda):
            node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        inherited = [*self._inherited, bound(node)]
        self._enter(node, inherited, set())
        return node

    def _enter(
        self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, inherited: list[set[str]], own: set[str]
    ) -> None:
        """Rewrite the body of a scope."""
        outside = self._seen, self._inherited
        self._seen, self._inherited = [*inherited, own], inherited
        holder = ast.Module(node.body if isinstance(node.body, list) else [ast.Expr(node.body)], [])
        self.generic_visit(holder)
        node.body = holder.body if isinstance(node.body, list) else holder.body[0].value  # type: ignore[attr-defined]
        self._seen, self._inherited = outside
