"""Names of a board's modules become few: a board keeps each distinct name for good, 14 bytes of a 64-bit heap, and in steps that double.

Two attributes that no class has both of may have one name, and so may a function of one module and a method of another. Which may not is a
graph, and the names are its colours. A name stays as it is if something outside knows it: the interpreter (OUTSIDE, and every
attribute that none of ours defines), or a text of the program that may be looked up.

What comes in by its place alone is named by its place: parameters that no call names.
"""

import ast
import builtins
import itertools
import keyword
from collections.abc import Iterable, Iterator, Mapping

from firmware.bench.scopes import FUNCTIONS, bound, imported

# What of MicroPython's own objects the firmware uses, or MicroPython of the firmware's: no such attribute or keyword has another name.
KNOWN = """
    active add append args atten calibrate cancel clear close config connect count data decode digest discard done encode end errno
    extend feed find format from_bytes get handler index insert invert ioctl irq is_set isconnected items join key keys length lower
    lstrip name peek pop pull push read read_uv readblocks readinto remove replace reverse rstrip seek send set setblocking sleep
    sort split start startswith state status step stop strip tell throw time timeout to_bytes trigger update upper value values
    verify_mode wait wrap wrap_socket write writeblocks writeinto
"""
OUTSIDE = frozenset(KNOWN.split())
FIRST_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
Trees = Mapping[str, ast.Module]


class Names:
    """The names of a whole program. `trees`: every module of it. `texts`: those that the program may look up, beside its short ones.

    `new`: name -> what it becomes, of those that change.
    """

    def __init__(self, trees: Trees, texts: frozenset[str] = frozenset()) -> None:
        self._trees = trees
        self._texts = texts | texts_of(trees)
        calls = [node for node in self._all() if isinstance(node, ast.Call) and node.keywords]
        # What a call may name: also by ** and a dict, whose keys are texts.
        self._named = self._texts.union(each.arg for node in calls for each in node.keywords if each.arg)
        classes = dict(classes_of(trees))
        attributes = {name: attributes_of(name, classes) for name in classes}
        for node in calls:
            if isinstance(node.func, ast.Name) and node.func.id in classes and _takes_any(classes[node.func.id]):
                attributes[node.func.id] |= {each.arg for each in node.keywords if each.arg}
        spaces = [*self._modules(), *attributes.values(), *self._functions()]
        defined = set().union(*spaces)
        fixed = self._fixed(defined, classes)
        rivals: dict[str, set[str]] = {name: set() for name in defined - fixed}
        for space in spaces:
            movable = space - fixed
            for name in movable:
                rivals[name] |= movable
        self.new = self._coloured(rivals)

    def rename(self) -> None:
        """Rewrite the program."""
        for tree in self._trees.values():
            _Renaming(self.new, self._named).visit(tree)

    def _all(self) -> Iterator[ast.AST]:
        return itertools.chain.from_iterable(ast.walk(tree) for tree in self._trees.values())

    def _modules(self) -> Iterator[set[str]]:
        for tree in self._trees.values():
            yield bound(tree)

    def _functions(self) -> Iterator[set[str]]:
        """Of each function what calls may name, and the names around that it uses: one must not hide the other."""
        for node in self._all():
            if isinstance(node, FUNCTIONS):
                named = _parameters(node.args) & self._named
                if named:
                    yield named | {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} - (bound(node) - named)

    def _fixed(self, defined: set[str], classes: Mapping[str, ast.ClassDef]) -> set[str]:
        """What must stay: known outside, or looked up by a text, or of what is not ours. And an exception's name: reports tell it."""
        fixed = {*self._texts, *OUTSIDE, *dir(builtins)}
        foreign = {name for node in self._all() if isinstance(node, ast.Import | ast.ImportFrom) for name in self._foreign(node)}
        for node in self._all():
            match node:
                case ast.Attribute(value=ast.Name(id="self"), ctx=ast.Store()):
                    pass
                case ast.Attribute(attr=attribute, ctx=context):
                    if isinstance(context, ast.Store) or root_of(node) in foreign:
                        fixed.add(attribute)
        modules = {alias.asname or alias.name for node in self._all() if isinstance(node, ast.Import) for alias in node.names}
        raised = {name for name in classes if any(_is_exception(each) for each in _ancestors(name, classes))}
        return fixed | foreign | modules | raised | {name for name in defined if name.startswith("__")}

    def _foreign(self, node: ast.Import | ast.ImportFrom) -> set[str]:
        """The names that an import takes from what is not ours."""
        if isinstance(node, ast.Import):
            return {alias.asname or alias.name for alias in node.names if alias.name not in self._trees}
        return set() if (node.module or "").replace(".", "/") in self._trees else imported(node)

    def _coloured(self, rivals: dict[str, set[str]]) -> dict[str, str]:
        taken = {name for node in self._all() for name in _names_of(node)}
        colours = [name for name in _short_names() if name not in taken][: len(rivals)]
        new: dict[str, str] = {}
        for name in sorted(rivals, key=lambda each: (-len(rivals[each]), each)):
            used = {new[rival] for rival in rivals[name] if rival in new}
            new[name] = next(colour for colour in colours if colour not in used)
        return new


def texts_of(trees: Trees) -> frozenset[str]:
    """Every text of the modules."""
    nodes = itertools.chain.from_iterable(ast.walk(tree) for tree in trees.values())
    return frozenset(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _short_names() -> Iterator[str]:
    for length in (1, 2):
        for letters in itertools.product(FIRST_LETTERS, repeat=length):
            if not keyword.iskeyword("".join(letters)):
                yield "".join(letters)


def _names_of(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
            return [name]
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.ExceptHandler(name=str(name)) | ast.keyword(arg=str(name)):
            return [name]
        case ast.Import() | ast.ImportFrom():
            return imported(node)
    return []


def classes_of(trees: Trees) -> Iterator[tuple[str, ast.ClassDef]]:
    """(name, class) of every class of these modules."""
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                yield node.name, node


def attributes_of(name: str, classes: Mapping[str, ast.ClassDef]) -> set[str]:
    """What an object of the class may have, and of those that it comes from."""
    node = classes[name]
    found = bound(ast.Module(node.body, []))
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "self":
            found.add(each.attr)
    for base in node.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            found |= attributes_of(base.id, classes)
    return found


def _ancestors(name: str, classes: Mapping[str, ast.ClassDef]) -> Iterator[str]:
    """The names of a class and of all that it comes from."""
    yield name
    for base in classes[name].bases if name in classes else []:
        if isinstance(base, ast.Name):
            yield from _ancestors(base.id, classes)


def _is_exception(name: str) -> bool:
    found = getattr(builtins, name, None)
    return isinstance(found, type) and issubclass(found, BaseException)


def root_of(node: ast.Attribute) -> str | None:
    """The name that a chain of attributes begins with."""
    value = node.value
    while isinstance(value, ast.Attribute):
        value = value.value
    return value.id if isinstance(value, ast.Name) else None


def _takes_any(node: ast.ClassDef) -> bool:
    """True for a class whose objects are made of keywords of any name."""
    return any(isinstance(each, ast.FunctionDef) and each.name == "__init__" and each.args.kwarg for each in node.body)


def _parameters(arguments: ast.arguments) -> set[str]:
    return {each.arg for each in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}


class _Renaming(ast.NodeTransformer):
    """Rewrites one module."""

    def __init__(self, new: Mapping[str, str], named: frozenset[str]) -> None:
        self._new = new
        self._named = named
        self._scopes: list[dict[str, str]] = []  # of each function around: local name -> what it becomes

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._found(node.id)
        return node

    def _found(self, name: str) -> str:
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        return self._new.get(name, name)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self._new.get(node.attr, node.attr)
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        if node.arg:
            node.arg = self._new.get(node.arg, node.arg)
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        for alias in node.names:
            here = alias.asname or alias.name
            alias.name = self._new.get(alias.name, alias.name)
            here = self._found(here)
            alias.asname = here if here != alias.name else None
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        if node.name:
            node.name = self._found(node.name)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self._found(node.name)
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._found(node.name)
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.name = self._found(node.name)
        return self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> ast.AST:
        arguments = node.args
        arguments.defaults = [self.visit(each) for each in arguments.defaults]
        arguments.kw_defaults = [each and self.visit(each) for each in arguments.kw_defaults]
        self._scopes.append(self._scope(node))
        for each in [*arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
            if each:
                each.arg = self._found(each.arg)
        if isinstance(node, ast.Lambda):
            node.body = self.visit(node.body)
        else:
            node.body = [self.visit(each) for each in node.body]
        self._scopes.pop()
        return node

    def _scope(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> dict[str, str]:
        """What the names become that a function binds: its variables nothing, its parameters what calls name, or their places."""
        arguments = node.args
        named = _parameters(arguments) & self._named
        places = [each.arg for each in [*arguments.args, arguments.vararg, arguments.kwarg] if each and each.arg not in named]
        scope = {name: name for name in bound(node)}
        scope |= {name: f"_{len(self._scopes)}{place}" for place, name in enumerate(places)}
        return scope | {name: self._new.get(name, name) for name in named}
