"""A synthetic half hour from simulation through analysis and store to files, against its truth."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analytics.detect.parameters import Parameters
from analytics.export.bundle import Export, Request
from analytics.export.formats import named
from analytics.export.subject import Subject
from analytics.offline import context_of
from analytics.pipeline import Pipeline
from analytics.recording import read_recording
from analytics.result import provenance, results
from analytics.store.embedded import EmbeddedStore
from trunkline.synthetic.recording_file import write_recording
from trunkline.synthetic.wearer import SyntheticWearer

S = 1_000_000_000
START_NS = int(dt.datetime(2026, 3, 2, 6, tzinfo=dt.UTC).timestamp()) * S
DURATION_S = 1500


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("way")


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict[str, Any]:
    """Makes the export and returns the truth."""
    wearer = SyntheticWearer(DURATION_S, seed=6, story="demo")
    write_recording(wearer, folder / "rec.parquet")
    recording = read_recording(folder / "rec.parquet")
    context, parameters = context_of(recording), Parameters()
    pipeline = Pipeline(context, parameters)
    pipeline.push(START_NS + recording.t_ns, recording.accel, recording.gyro)
    found = pipeline.finish()
    assert found is not None
    store = EmbeddedStore(folder / "samples.db")
    end_ns = START_NS + DURATION_S * S
    store.write_results("w1", START_NS, end_ns, results(found, context), provenance(parameters))
    subject = Subject("w1", "w1", START_NS, end_ns, ZoneInfo("UTC"), lambda *_: [])
    request = Request([subject], named("parquet"), frozenset({"results"}))
    Export(store, request, about={}).write(folder / "out")
    store.close()
    return wearer.truth


def seconds(folder: Path, column: str) -> list[Any]:
    table = pq.read_table(folder / "out/w1" / "timeline.parquet")
    t_ns = table["time_utc"].cast(pa.int64()).to_numpy()
    assert np.array_equal(t_ns, START_NS + S * np.arange(DURATION_S))
    values: list[Any] = table[column].to_pylist()
    return values


def inside(intervals: Sequence[Sequence[Any]], label: str) -> list[int]:
    """Whole seconds at least 2 s away from the borders of the intervals with that label."""
    return [
        second
        for start_s, end_s, word in intervals
        if word == label
        for second in range(int(start_s) + 3, int(end_s) - 2)
    ]


@pytest.mark.parametrize("posture", ["walking", "lying_left", "lying_right", "lying_supine"])
def test_postures_that_nobody_can_miss(folder: Path, truth: dict[str, Any], posture: str) -> None:
    told, known = seconds(folder, "posture"), inside(truth["posture"], posture)
    assert len(known) > 20
    assert np.mean([told[second] == posture for second in known]) > 0.9


def test_flexion_is_that_of_the_script(folder: Path, truth: dict[str, Any]) -> None:
    flexion = np.array(seconds(folder, "trunk_flexion_deg"), float)
    upright = np.nanmean(flexion[inside(truth["slouch"], "upright")])
    slouched = np.nanmean(flexion[inside(truth["slouch"], "slouched")])
    assert -3 < upright < 6
    assert 12 < slouched - upright < 26


def test_every_walk_of_the_script_is_found(folder: Path, truth: dict[str, Any]) -> None:
    bouts = pq.read_table(folder / "out/w1" / "walking_bouts.parquet")
    starts_s, ends_s = (
        (bouts[name].cast(pa.int64()).to_numpy() - START_NS) / S
        for name in ("start_utc", "end_utc")
    )
    assert len(truth["walking_bouts"]) >= 4
    for start_s, end_s in truth["walking_bouts"]:
        assert np.any((starts_s < end_s - 10) & (ends_s > start_s + 10))
