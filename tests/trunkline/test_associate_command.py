"""`trunkline associate` from files to an answer."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.simulation.association import Case, person
from trunkline.cli import main


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    exposures, pain, _ = person(Case(100, 2, 0.4, 0.6), np.random.default_rng(3))
    exposure, diary = tmp_path / "exposure.csv", tmp_path / "diary.csv"
    by_day = pain.by_day(100)
    with exposure.open("w") as e, diary.open("w") as d:
        e.write("date,worn_min,linked,other\n")
        d.write("date,pain\n")
        for n in range(100):
            day = exposures.first_day + timedelta(n)
            e.write(f"{day},800,{exposures.amount[0, n]:.4f},{exposures.amount[1, n]:.4f}\n")
            d.write(f"{day},{np.clip(4 + by_day[n], 0, 10):.2f}\n")
    return exposure, diary


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["associate", *map(str, arguments), "--permutations", "500"])


def test_the_linked_trigger_is_told(files: tuple[Path, Path]) -> None:
    answer = run(*files, "--json")
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert found["schema"] == "trunkline-association/1"
    assert found["lags"] == ["same_day", "next_day"]
    assert (found["days"], found["pain_days"], found["permutations"]) == (100, 100, 500)
    called = {a["trigger"] for a in found["answers"] if a["answer"] == "associated"}
    assert called == {"linked"}
    assert "associated with" in found["answers"][0]["text"]
    assert len(found["reverse"]) == 2
    assert len(found["flares"]) == 4
    plain = run(*files)
    assert "More linked is associated with more pain on the same day" in plain.output
    assert "do not tell causes" in plain.output


def test_one_declared_question_is_one_answer(files: tuple[Path, Path]) -> None:
    answer = run(*files, "--trigger", "Linked", "--lag", "same_day", "--json")
    (found,) = json.loads(answer.output)["answers"]
    assert found["p"] == found["p_family"]


def test_mistakes_are_one_line(files: tuple[Path, Path], tmp_path: Path) -> None:
    exposure, diary = files
    for arguments, code, says in (
        ((exposure, exposure), 1, "Error: exposure.csv: column 'worn_min' is not known"),
        ((exposure, tmp_path / "none.csv"), 2, "does not exist"),
        ((exposure, diary, "--lag", "0_2h"), 2, "needs hourly exposure"),
        ((exposure, diary, "--trigger", "x"), 1, "there is no trigger column 'x'"),
        ((exposure, diary, "--time-zone", "Mars"), 2, "Europe/Berlin"),
    ):
        answer = run(*arguments)
        assert answer.exit_code == code, answer.output
        assert says in answer.output
    exposure.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8" in run(exposure, diary).output
