"""Coarser tables: what they hold follows from the finer ones, and nothing is filled in."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.export import dictionary
from analytics.export.bundle import Export, Request
from analytics.export.formats import PARTS, named
from analytics.export.resolution import means
from analytics.store.embedded import EmbeddedStore
from tests.analytics.export.test_bundle import DAY

S = 1_000_000_000


def raw(t_ns: list[int], values: list[float]) -> pa.Table:
    """Rows of `raw` whose axes are all the same."""
    schema = dictionary.raw_of({"accel"}).schema()
    column = pa.array(values, pa.float32(), from_pandas=True)
    return pa.table([pa.array(t_ns, schema[0].type), column, column, column], schema=schema)


@settings(max_examples=40, deadline=None)
@given(
    offsets=st.lists(st.integers(0, 5 * S), min_size=1, max_size=60, unique=True),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    rate_hz=st.sampled_from([50, 25, 10, 5, 1]),
)
def test_means_do_not_depend_on_the_pieces(
    offsets: list[int], cuts: list[int], rate_hz: int
) -> None:
    t_ns = sorted(offsets)
    rows = raw(t_ns, [float(n % 7) for n in range(len(t_ns))])
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    pieces = [rows.slice(a, b - a) for a, b in pairwise(edges)]
    found = pa.concat_tables(means(pieces, rate_hz))
    begins = np.array(t_ns) // (S // rate_hz) * (S // rate_hz)
    assert found["time_utc"].cast(pa.int64()).to_pylist() == np.unique(begins).tolist()
    assert sum(found["samples"].to_pylist()) == len(rows)
    values = rows["accel_x"].to_numpy()
    expected = [values[begins == begin].mean() for begin in np.unique(begins)]
    assert found["accel_x"].to_numpy() == pytest.approx(expected, abs=1e-5)


def test_what_is_missing_stays_missing() -> None:
    nan = float("nan")
    found = pa.concat_tables(means([raw([0, 1, S, S + 1], [1.0, nan, nan, nan])], 1))
    assert found["accel_x"].to_pylist() == [1.0, None]
    assert found["samples"].to_pylist() == [2, 2]
    assert list(means([raw([], [])], 1)) == []


def options(store: EmbeddedStore, out: Path, **said: str) -> Path:
    request = Request([DAY], named("parquet"), frozenset(PARTS), said)
    Export(store, request, about={}).write(out)
    return out / "w1"


def test_samples_at_a_lower_rate_say_so(store: EmbeddedStore, tmp_path: Path) -> None:
    folder = options(store, tmp_path / "out", rate_hz="1", resolution="day")
    (file,) = (folder / "raw_back").glob("*.parquet")
    found = pq.read_table(file)
    full = pq.read_table(options(store, tmp_path / "full") / "raw_back")
    assert sum(found["samples"].to_pylist()) == len(full)
    assert 30 < len(found) < len(full)
    assert found["accel_x"].to_numpy().mean() == pytest.approx(
        full["accel_x"].to_numpy().mean(), rel=0.05, abs=0.5
    )
    assert not (folder / "timeline.parquet").exists()
    assert (folder / "days.parquet").exists()
    assert "raw_means" in (tmp_path / "out" / "dictionary.json").read_text()
    assert '"rate_hz": "1"' in (tmp_path / "out" / "provenance.json").read_text()


def test_minutes_and_hours_say_what_the_seconds_do(store: EmbeddedStore, tmp_path: Path) -> None:
    seconds = pq.read_table(options(store, tmp_path / "s") / "timeline.parquet")
    minutes = pq.read_table(options(store, tmp_path / "m", resolution="minute") / "minutes.parquet")
    worn = seconds["worn"].to_pylist().count(True)
    assert sum(minutes["worn_s"].to_pylist()) == worn
    assert sum(minutes["slouched_s"].to_pylist()) == seconds["slouched"].to_pylist().count(True)
    assert set(minutes["posture"].to_pylist()) <= set(seconds["posture"].to_pylist())
    folder = options(store, tmp_path / "h", resolution="hour")
    hours, days = (pq.read_table(folder / f"{name}.parquet") for name in ("hours", "days"))
    assert sum(hours["worn_min"].to_pylist()) == pytest.approx(worn / 60, abs=0.1)
    assert sum(hours["sit_to_stand_count"].to_pylist()) == sum(
        count or 0 for count in days["sit_to_stand_count"].to_pylist()
    )
