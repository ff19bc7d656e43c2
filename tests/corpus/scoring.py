"""The corpus through our command and the scorer, for everything that reports on it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.conftest import SHARED

ROOT = Path(__file__).parents[2]


def corpus_recordings() -> Path:
    """Where the recordings are; ends the command when they are not there."""
    recordings: Path = SHARED / "corpus" / "recordings"
    if not recordings.is_dir():
        sys.exit("no corpus: set TRUNKLINE_SHARED to the folder that holds it")
    return recordings


def scored_pairs(
    recordings: Path, results: Path | None, jobs: int
) -> tuple[ModuleType, list[tuple[Any, Any]]]:
    """The scorer, and truth and result of every recording; results: a folder of those that are
    there already, else all are made."""
    scorer = load_scorer(SHARED / "corpus" / "score.py")
    with tempfile.TemporaryDirectory() as folder:
        if results is None:
            results = Path(folder)
            _analyse(recordings, results, jobs)
        return scorer, scorer.load_pairs(str(recordings), str(results))


def load_scorer(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("score", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _analyse(recordings: Path, results: Path, jobs: int) -> None:
    """Every recording through the command that users have."""
    command = [sys.executable, "-m", "trunkline", "analyse", str(recordings)]
    subprocess.run([*command, "--out-dir", str(results), "--jobs", str(jobs)], check=True, cwd=ROOT)
