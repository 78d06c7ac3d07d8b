"""docs/security.md names only tests that are there, and every provision of the standard."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs/security.md"
# ETSI EN 303 645 v2.1.1: how many provisions sections 5.1 to 5.13 have, and clause 6.
PROVISIONS = [5, 3, 16, 4, 8, 9, 2, 3, 3, 1, 4, 3, 1]
CLAUSE_6 = {"6.1", "6.2", "6.3", "6.4", "6.5"}


def named_in(path: Path) -> set[str]:
    return set(re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(encoding="utf-8"), flags=re.MULTILINE))


def provisions(cell: str) -> set[str]:
    """ "5.3-4 to 5.3-6" and "5.6-1, 5.6-5" one by one."""
    if (span := re.fullmatch(r"(5\.\d+)-(\d+) to \1-(\d+)", cell)) is not None:
        return {f"{span[1]}-{number}" for number in range(int(span[2]), int(span[3]) + 1)}
    return set(cell.split(", "))


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`([a-z_/]+\.py)::(test_\w+|\*)`", PAGE.read_text(encoding="utf-8"))
    assert named
    gone = [f"{file}::{name}" for file, name in named if name != "*" and name not in named_in(TESTS / file)]
    assert gone == []
    assert [file for file, name in named if name == "*" and not named_in(TESTS / file)] == []


def test_every_provision_has_its_row() -> None:
    cells = re.findall(r"^\| ([56]\.[^|]+) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    rows = [name for cell in cells for name in provisions(cell)]
    assert len(rows) == len(set(rows))
    assert set(rows) == {f"5.{part}-{number}" for part, count in enumerate(PROVISIONS, 1) for number in range(1, count + 1)} | CLAUSE_6


def test_no_key_lies_in_the_sources() -> None:
    """Neither in PEM nor in the forms in which boards and gateway keep theirs."""
    folders = [TESTS.parent / name for name in ("docs", "firmware", "gateway", "protocol", "simulator", "tools")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(files) > 300
    # A private key in PEM; the beginnings of PKCS #8 in DER for RSA and for P-256 (RFC 5208, 5915).
    signs = (b"PRIVATE KEY-----", bytes.fromhex("020100300d06092a864886f70d010101"), bytes.fromhex("020100301306072a8648ce3d0201"))
    assert [str(path) for path in files if any(sign in path.read_bytes() for sign in signs)] == []
    assert [str(path) for path in files if path.suffix in (".pem", ".key", ".der", ".p12", ".pfx")] == []
