"""EDF+ files read back by MNE and by EDFlib, without sharing a line with what wrote them."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mne
import numpy as np
import pyedflib
import pytest
from numpy.typing import NDArray

from analytics.export.bundle import Export, Request
from analytics.export.edf import RECORD_SAMPLES
from analytics.export.formats import named
from analytics.store.base import Samples
from analytics.store.embedded import EmbeddedStore
from tests.analytics.export.stored import DAY, DAY_NS, HOUR, S, batches

HALF_SAMPLE_NS = 10_000_000


@pytest.fixture
def out(store: EmbeddedStore, tmp_path: Path) -> Path:
    # Beside the fixture's even samples: a sensor whose clock runs 200 ppm fast and that lost some.
    for second in range(0, 90):
        if second % 31 == 30:
            continue
        at = DAY_NS + 12 * HOUR + round(second * S * 1.0002) + second % 3 * 1_000_000
        store.write_batches(batches("fast", at, 1, ("accel",)))
    request = Request([DAY], named("edf"), frozenset({"raw"}))
    Export(store, request, about={}).write(tmp_path / "out")
    return tmp_path / "out/w1"


def read(path: Path) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    """Time stamps and columns as MNE finds them; what is annotated as no data is left out."""
    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    with pyedflib.EdfReader(str(path)) as file:  # MNE leaves out the fraction of the second
        start = raw.info["meas_date"] + timedelta(microseconds=file.starttime_subsecond / 10)
    n = raw.n_times
    for note in raw.annotations:
        assert note["description"] == "no data"
        n = round(note["onset"] * raw.info["sfreq"])
    since = start - datetime(1970, 1, 1, tzinfo=UTC)
    start_ns = (since.days * 86_400 + since.seconds) * S + since.microseconds * 1000
    t_ns = start_ns + np.round(np.arange(n) / raw.info["sfreq"] * S).astype(np.int64)
    return t_ns, {name: raw.get_data(name)[0, :n] for name in raw.ch_names}


def all_of(folder: Path) -> list[tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]]:
    return [read(path) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("sensor", ["back", "thigh", "fast"])
def test_mne_finds_every_sample_where_it_was_and_no_other(
    store: EmbeddedStore, out: Path, sensor: str
) -> None:
    stored = store.read_samples("w1", sensor, DAY.start_ns, DAY.end_ns)
    files = all_of(out / sensor)
    t_ns = np.concatenate([times for times, _ in files])
    assert len(t_ns) == len(stored)
    assert np.abs(t_ns - stored.t_ns).max() <= HALF_SAMPLE_NS + 1000
    at = 0
    for times, columns in files:
        for name, values in columns.items():
            quantity, axis = name.split("_")
            wanted = stored.values[quantity][at : at + len(times), "xyz".index(axis)]
            step = np.nanmax(np.abs(stored.values[quantity])) * 2.001 / 65_535
            assert np.abs(values - wanted).max() <= step / 2
        at += len(times)


def test_a_gap_ends_a_file_and_a_missing_quantity_has_no_channel(out: Path) -> None:
    first, second = all_of(out / "back")
    assert len(first[0]) == len(second[0]) == 1000
    assert set(first[1]) == {f"{name}_{axis}" for name in ("accel", "gyro") for axis in "xyz"}
    assert set(second[1]) == {"accel_x", "accel_y", "accel_z"}
    assert len(list((out / "fast").iterdir())) == 3


def test_edflib_reads_the_header(out: Path) -> None:
    path = sorted((out / "thigh").iterdir())[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pyedflib.EdfReader(str(path)) as file:
            assert file.getPatientCode() == "w1"
            assert file.getStartdatetime() == datetime(2026, 3, 2, 7)
            assert file.getPhysicalDimension(0) == "m/s2"
            assert file.getNSamples()[0] % RECORD_SAMPLES == 0
            onsets, durations, notes = file.readAnnotations()
    assert (list(onsets), list(durations), list(notes)) == ([5.0], [1.0], ["no data"])


def test_a_single_sample_is_a_file(store: EmbeddedStore, tmp_path: Path) -> None:
    samples: Any = Samples(np.array([DAY_NS + S]), {"accel": np.ones((1, 3), np.float32)})
    object.__setattr__(store, "iter_samples", lambda *_: iter([samples]))
    request = Request([DAY], named("edf"), frozenset({"raw"}))
    said = Export(store, request, about={}).write(tmp_path / "one")
    assert set(said["rows"].values()) == {1}
