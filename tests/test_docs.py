"""The documents say what there is: every command, topic, budget and link."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.__main__ import AREAS
from trunkline import reference
from wire.topics import Kind

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_command_reference_is_up_to_date() -> None:
    """In a process of its own: click remembers the help option of a command's first use."""
    stands = (ROOT / "docs" / "commands.md").read_text()
    made = subprocess.run(
        [sys.executable, "-m", "trunkline.reference"], cwd=ROOT, capture_output=True, check=True
    )
    assert stands == made.stdout.decode(), "run: python -m trunkline.reference > docs/commands.md"


def test_every_topic_is_described() -> None:
    text = (ROOT / "docs" / "wire.md").read_text()
    for kind in Kind:
        assert f"/{kind}`" in text, kind


def test_every_measured_area_is_described() -> None:
    text = (ROOT / "docs" / "budgets.md").read_text()
    for area in AREAS:
        assert f"tests/bench/{area}.py" in text, area


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
        if not re.match(r"[a-z]+:", target):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_documents_speak_of_commands_that_exist(path: Path) -> None:
    for name in re.findall(r"`(?:\.venv/bin/)?trunkline ([a-z]+)", path.read_text()):
        assert name in reference.COMMANDS, f"trunkline {name}"
