"""docs/security.md names a test for every point, and every one of them exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
TEXT = (ROOT.parent / "docs" / "security.md").read_text()
ROWS = [line for line in TEXT.splitlines() if re.match(r"\| \d", line)]
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT)


def test_every_point_names_a_test() -> None:
    assert len(ROWS) == len(NAMED) > 35


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_the_test_exists(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
