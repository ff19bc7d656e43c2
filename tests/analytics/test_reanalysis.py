"""History again: beside the old, versioned, and the difference told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from analytics.reanalysis import erase_versions
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.worker import Worker
from tests.analytics.test_worker import arrive, batches, birth, found, hold
from trunkline.cli import main
from trunkline.synthetic.wearer import simulate

DAY = ("--wearer", "demo", "--from", "2026-03-02", "--to", "2026-03-02")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    day = simulate(150.0, rate_hz=50, placement="T12", seed=5, story="demo")
    store, clinic = EmbeddedStore(tmp_path / "samples.db"), Clinic(tmp_path / "clinic.db")
    clinic.add_wearer("demo", "Europe/Berlin")
    birth(clinic, day)
    hold(clinic, day)
    arrive(store, clinic, batches(day))
    Worker(store, clinic).tick()
    store.close()
    clinic.close()
    return tmp_path


def run(data_dir: Path, *arguments: object) -> dict[str, object]:
    words = ["reanalyse", *map(str, arguments), "--json", "--data-dir", str(data_dir)]
    answer = CliRunner().invoke(main, words)
    assert answer.exit_code == 0, answer.output
    told: dict[str, object] = json.loads(answer.output)
    told["by"] = {d["name"]: d for d in told["differences"]}  # type: ignore[attr-defined]
    return told


def test_the_old_is_kept_and_the_difference_is_told(data_dir: Path) -> None:
    store = EmbeddedStore(data_dir / "samples.db")
    before = found(store)
    same = run(data_dir, *DAY)
    assert all(d["change"] in {0, None} for d in same["by"].values())  # type: ignore[attr-defined]
    assert same["old"] == [same["made_by"]]
    params = data_dir / "p.json"
    params.write_text('{"slouch": {"enter_low_trunk_deg": 60}}')
    other = run(data_dir, *DAY, "--params", params)
    slouched = other["by"]["slouched_min"]  # type: ignore[index]
    assert slouched["old"] > 0.5
    assert slouched["new"] == 0
    assert other["by"]["worn_min"]["change"] == 0  # type: ignore[index]
    assert other["made_by"] != same["made_by"]
    assert found(store) == before
    store.close()
    files = sorted(path.name for path in (data_dir / "reanalysis").glob("*.db"))
    assert files == sorted([same["file"], other["file"]])  # type: ignore[list-item]
    erase_versions(data_dir, "demo")
    for file in files:
        version = EmbeddedStore(data_dir / "reanalysis" / file)
        assert found(version) == []
        version.close()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no json", "is not JSON"),
        ("[]", "needs an object"),
        ('{"slouch": {"depth": 1}}', "slouch has no parameter 'depth'"),
    ],
)
def test_parameters_that_do_not_fit(data_dir: Path, text: str, says: str) -> None:
    params = data_dir / "p.json"
    params.write_text(text)
    answer = CliRunner().invoke(
        main, ["reanalyse", *DAY, "--params", str(params), "--data-dir", str(data_dir)]
    )
    assert answer.exit_code == 2
    assert says in answer.output
