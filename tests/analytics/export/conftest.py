"""A small store with everything an export can hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics.store.base import Provenance
from analytics.store.embedded import EmbeddedStore
from tests.analytics.export.stored import DAY_NS, HOUR, batches, results


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """Wearer w1 with sensors `back` (with a hole) and `thigh` (with a magnetometer)."""
    store = EmbeddedStore(tmp_path / "data" / "samples.db")
    at = DAY_NS + 8 * HOUR
    store.write_batches(
        [
            *batches("back", at, 20, ("accel", "gyro")),
            *batches("back", at + 2 * HOUR, 20, ("accel",)),
            *batches("thigh", at, 5, ("accel", "mag")),
        ]
    )
    store.write_results("w1", DAY_NS, DAY_NS + 24 * HOUR, results(), Provenance("1.0", "abc123"))
    yield store
    store.close()
