"""The board's code has no way to a TLS connection that is not verified: read from the code."""

import ast
from pathlib import Path

import pytest
from rig import ROOT

MODULES = {"ssl", "ussl", "tls"}  # MicroPython's, of which the board's code uses the first
UNVERIFIED = {"CERT_NONE", "CERT_OPTIONAL"}


def breaches(source: str) -> list[str]:
    """What in the source would make, or could hide, a TLS connection without verification: "line: what"."""
    found = []
    for node in ast.walk(ast.parse(source)):
        what = (
            imported(node)
            or named(node)
            or (called(node) if isinstance(node, ast.Call) else None)
            or (set_mode(node) if isinstance(node, ast.Assign) else None)
        )
        if what:
            found.append(f"{getattr(node, 'lineno', 0)}: {what}")
    return found + contexts(ast.parse(source))


def imported(node: ast.AST) -> str | None:
    if isinstance(node, ast.Import) and any(each.name in MODULES - {"ssl"} or (each.name == "ssl" and each.asname) for each in node.names):
        return "a TLS module by another name than ssl"
    if isinstance(node, ast.ImportFrom) and node.module in MODULES:
        return "a name of ssl without its module"
    return None


def named(node: ast.AST) -> str | None:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else None
    return f"{name}" if name in UNVERIFIED else None


def called(node: ast.Call) -> str | None:
    given = {each.arg: each.value for each in node.keywords}
    if "ssl" in given and isinstance(given["ssl"], ast.Constant) and given["ssl"].value:
        return "ssl=True makes a context that verifies nothing"
    if not isinstance(node.func, ast.Attribute):
        return None
    if node.func.attr == "wrap_socket":
        if isinstance(node.func.value, ast.Name) and node.func.value.id in MODULES:
            return "ssl.wrap_socket verifies nothing"
        name = given.get("server_hostname")
        if name is None or (isinstance(name, ast.Constant) and not name.value):
            return "wrap_socket without server_hostname"
    if node.func.attr == "load_verify_locations" and node.args:
        return "load_verify_locations takes its first argument for a path"
    if node.func.attr == "SSLContext" and [ast.unparse(each) for each in node.args] != ["ssl.PROTOCOL_TLS_CLIENT"]:
        return "a context that is not ssl.PROTOCOL_TLS_CLIENT"
    return None


def set_mode(node: ast.Assign) -> str | None:
    targets = [each for each in node.targets if isinstance(each, ast.Attribute) and each.attr == "verify_mode"]
    return "verify_mode is not ssl.CERT_REQUIRED" if targets and ast.unparse(node.value) != "ssl.CERT_REQUIRED" else None


def contexts(tree: ast.Module) -> list[str]:
    """Functions that make a context and do not set verify_mode, or do not look at it again before they hand the context out."""
    found = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            continue
        own = list(within(function))
        if not any(isinstance(node, ast.Call) and ast.unparse(node.func).endswith("SSLContext") for node in own):
            continue
        if not any(
            isinstance(node, ast.Assign) and set_mode(node) is None and "verify_mode" in ast.unparse(node.targets[0]) for node in own
        ):
            found.append(f"{getattr(function, 'lineno', 0)}: a context without CERT_REQUIRED")
        if not any(isinstance(node, ast.Compare) and "verify_mode != ssl.CERT_REQUIRED" in ast.unparse(node) for node in own):
            found.append(f"{getattr(function, 'lineno', 0)}: a context whose verify_mode is not read back")
    return found


def within(function: ast.AST) -> list[ast.AST]:
    """The nodes of a function without those of the functions in it."""
    found: list[ast.AST] = []
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found += [node, *within(node)]
    return found


def test_pitfall_08_no_code_of_the_board_makes_a_connection_that_is_not_verified() -> None:
    files = sorted((ROOT / "firmware/device").rglob("*.py"))
    assert [path for path in files if "ssl.SSLContext" in path.read_text()] == [ROOT / "firmware/device/agent/credentials.py"]
    wrong = {str(path.relative_to(ROOT)): found for path in files if (found := breaches(Path(path).read_text()))}
    assert wrong == {}


RIGHT = """
import ssl
def make(ca):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=ca)
    if context.verify_mode != ssl.CERT_REQUIRED:
        raise ValueError
    return context
def wrap(context, socket, name):
    return context.wrap_socket(socket, server_hostname=name, do_handshake_on_connect=False)
"""


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("context.wrap_socket(", "ssl.wrap_socket(", "ssl.wrap_socket verifies nothing"),
        ("server_hostname=name, ", "", "wrap_socket without server_hostname"),
        ("server_hostname=name", "server_hostname=None", "wrap_socket without server_hostname"),
        ("    return context\n", "    return asyncio.open_connection(ssl=True)\n", "ssl=True"),
        ("    return context\n", "    return asyncio.open_connection('h', 1, ssl=1)\n", "ssl=True"),
        ("= ssl.CERT_REQUIRED\n", "= ssl.CERT_NONE\n", "CERT_NONE"),
        ("= ssl.CERT_REQUIRED\n", "= ssl.CERT_OPTIONAL\n", "CERT_OPTIONAL"),
        ("= ssl.CERT_REQUIRED\n", "= 0\n", "verify_mode is not ssl.CERT_REQUIRED"),
        ("    context.verify_mode = ssl.CERT_REQUIRED\n", "", "a context without CERT_REQUIRED"),
        ("    if context.verify_mode != ssl.CERT_REQUIRED:\n        raise ValueError\n", "", "not read back"),
        ("cadata=ca", "ca", "for a path"),
        ("PROTOCOL_TLS_CLIENT", "PROTOCOL_TLS_SERVER", "not ssl.PROTOCOL_TLS_CLIENT"),
        ("import ssl\n", "import ssl as s\n", "by another name"),
        ("import ssl\n", "import tls\n", "by another name"),
        ("import ssl\n", "from ssl import wrap_socket\n", "without its module"),
    ],
)
def test_pitfall_08_each_way_round_verification_is_caught(right: str, wrong: str, words: str) -> None:
    assert breaches(RIGHT) == []
    assert RIGHT.count(right) >= 1
    assert any(words in found for found in breaches(RIGHT.replace(right, wrong)))
