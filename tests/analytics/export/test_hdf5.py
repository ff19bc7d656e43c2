"""HDF5 files read back with h5py alone."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from analytics.export import dictionary
from analytics.export.bundle import Export, Request
from analytics.export.formats import PARTS, named
from analytics.store.embedded import EmbeddedStore
from tests.analytics.export.stored import DAY, DAY_NS, HOUR, S


def test_a_day_comes_back(store: EmbeddedStore, tmp_path: Path) -> None:
    request = Request([DAY], named("hdf5"), frozenset(PARTS))
    Export(store, request, about={}).write(tmp_path / "out")
    with h5py.File(tmp_path / "out/w1/2026-03-02.h5") as file:
        for sensor in ("back", "thigh"):
            stored = store.read_samples("w1", sensor, DAY.start_ns, DAY.end_ns)
            group = file[f"raw/{sensor}"]
            assert np.array_equal(group["time_utc"][:], stored.t_ns)
            assert set(group) == {"time_utc", *stored.values}
            for name, values in stored.values.items():
                assert np.array_equal(group[name][:], values, equal_nan=True)
        assert file["raw/back/accel"].attrs["unit"] == "m/s2"
        assert set(file["results"]) == {table.name for table in dictionary.RESULTS}
        timeline = file["results/timeline"]
        assert timeline["time_utc"][0] == DAY_NS + 8 * HOUR
        assert list(timeline["slouched"][:3]) == [0, -1, 0]
        assert timeline["slouched"].attrs["missing"] == -1
        assert np.isnan(timeline["trunk_lateral_deg"][:]).all()
        assert timeline["posture"].asstr()[0] == "sitting"
        symptoms = file["results/symptoms"]
        assert list(symptoms["severity"][:]) == [6, -(2**31)]
        assert list(symptoms["side"].asstr()[:]) == ["left", ""]
        assert file["results/days/date"].asstr()[0] == "2026-03-02"
        assert file["results/steps/time_utc"][0] == DAY_NS + 8 * HOUR + 70 * S + S // 4


def test_a_quantity_that_begins_later_is_nan_before(store: EmbeddedStore, tmp_path: Path) -> None:
    early = store.read_samples("w1", "back", DAY.start_ns, DAY.end_ns)
    parts = [
        type(early)(early.t_ns[:10], {"accel": early.values["accel"][:10]}),
        type(early)(early.t_ns[10:20], {"gyro": early.values["gyro"][10:20]}),
    ]
    object.__setattr__(store, "iter_samples", lambda *_: iter(parts))
    request = Request([DAY], named("hdf5"), frozenset({"raw"}))
    Export(store, request, about={}).write(tmp_path / "out")
    with h5py.File(tmp_path / "out/w1/2026-03-02.h5") as file:
        gyro, accel = file["raw/back/gyro"][:], file["raw/back/accel"][:]
    assert np.isnan(gyro[:10]).all()
    assert np.isnan(accel[10:]).all()
    assert not np.isnan(gyro[10:]).any()
