"""Extra sensors through a store: samples arrive, the worker looks at the walks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from analytics.export.tables import extra_sensors_table
from analytics.exposure.signs import EXTRA
from analytics.store.base import Result, Samples
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import Hold
from tests.analytics.extra_walker import (
    ALL_TIME,
    DAY,
    LATE,
    START_NS,
    Bench,
    Walked,
    front_first,
)
from tests.analytics.extra_walker import walked as walked_once


@pytest.fixture(scope="module")
def walked() -> Walked:
    return walked_once()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    store, clinic = EmbeddedStore(tmp_path / "samples.db"), Clinic(tmp_path / "clinic.db")
    clinic.add_wearer("demo", "Europe/Berlin")
    yield Bench(store, clinic)
    store.close()
    clinic.close()


def figures(result: Result) -> dict[str, float]:
    return {sign["kind"]: sign["value"] for sign in result.body["signs"]}


def test_from_samples_to_the_truth(walked: Walked, bench: Bench) -> None:
    bench.know(walked)
    for sensor in walked.batches:
        bench.arrive(walked.batches[sensor])
    bench.settle()
    (result,) = bench.told()
    assert DAY.start_ns < result.start_ns < result.end_ns == DAY.end_ns
    found, truth = figures(result), walked.truth
    extension = {}
    for side in ("left", "right"):
        hip = truth[f"thigh_{side}"]
        extension[side] = hip["peak_extension_deg"]
        assert found[f"hip_peak_extension_deg_{side}"] == pytest.approx(extension[side], abs=3.0)
        assert found[f"hip_peak_flexion_deg_{side}"] == pytest.approx(
            hip["peak_flexion_deg"], abs=3.0
        )
    assert found["hip_peak_extension_deg_difference"] == pytest.approx(
        extension["left"] - extension["right"], abs=2.0
    )
    swing = truth["wrist_left"]["swing_deg"]
    assert found["arm_swing_deg_left"] == pytest.approx(swing, abs=3.0)
    # alignment is checked, not assumed; front of the pelvis was never told
    said = result.body["observable"]
    assert said == {
        "thigh_left": True,
        "thigh_right": True,
        "wrist_left": True,
        LATE: "time",
        "pelvis": "axes",
    }
    assert not any(kind.startswith(EXTRA["pelvis"]) for kind in found)
    table = extra_sensors_table([result]).to_pylist()
    assert {row["kind"]: round(row["value"], 3) for row in table} == found
    assert bench.store.provenances("demo", result.start_ns, result.start_ns + 1)


def test_a_pelvis_whose_front_is_known_tells_the_trunk_on_it(walked: Walked, bench: Bench) -> None:
    bench.know(walked, pelvis_front="+x")
    bench.arrive([*walked.batches["trunk"], *front_first(walked)])
    bench.settle()
    (result,) = bench.told()
    assert result.body["observable"] == {"pelvis": True}
    found, pelvis = figures(result), walked.truth["pelvis"]
    assert found["trunk_on_pelvis_flexion_deg"] == pytest.approx(pelvis["flexion_deg"], abs=2.0)
    for kind in ("lateral", "rotation"):
        assert found[f"trunk_on_pelvis_{kind}_range_deg"] == pytest.approx(
            pelvis[f"{kind}_range_deg"], abs=3.0
        )


def test_any_order_and_twice_change_nothing(walked: Walked, bench: Bench, tmp_path: Path) -> None:
    """Extra samples first, late, shuffled, doubled; the worker ended in between."""
    bench.know(walked)
    items = [b for name in ("thigh_left", "wrist_left") for b in walked.batches[name]]
    bench.arrive([*walked.batches["trunk"], *items])
    bench.settle()
    (expected,) = bench.told()
    for again in (items, walked.batches["trunk"][40:45]):
        bench.arrive(again)
        bench.settle()
        assert bench.told() == [expected]
    other_store, other_clinic = EmbeddedStore(tmp_path / "o.db"), Clinic(tmp_path / "oc.db")
    other_clinic.add_wearer("demo", "Europe/Berlin")
    other = Bench(other_store, other_clinic)
    other.know(walked)
    shuffled = list(items)
    np.random.default_rng(3).shuffle(shuffled)  # type: ignore[arg-type]
    other.arrive(shuffled[:90])
    other.worker.tick()
    other.arrive(walked.batches["trunk"])
    other.settle()
    assert other.told() != [expected]
    other.arrive(shuffled[90:])
    other.worker.tick()
    other.worker = other.another()  # what waits is in the queue, not in its memory
    other.settle()
    assert other.told() == [expected]
    assert other_clinic.arrivals() == []
    other_store.close()
    other_clinic.close()


def test_a_worker_that_begins_anew_leaves_what_is_told(walked: Walked, bench: Bench) -> None:
    bench.know(walked)
    bench.arrive([*walked.batches["trunk"], *walked.batches["thigh_left"]])
    bench.settle()
    told = bench.told()
    assert told
    bench.worker = bench.another()
    bench.arrive(walked.batches["trunk"][:5])
    for _ in range(3):
        bench.worker.tick()
        assert bench.told() == told


def test_a_sum_of_the_day_stays_when_nothing_is_new(walked: Walked, bench: Bench) -> None:
    bench.know(walked)
    bench.arrive([*walked.batches["trunk"], *walked.batches["thigh_left"]])
    bench.settle()
    writes = []
    write = bench.store.write_results
    bench.store.write_results = lambda *a, **k: (writes.append(a), write(*a, **k))[1]  # type: ignore[method-assign]
    bench.arrive(walked.batches["thigh_left"])
    bench.settle()
    assert bench.clinic.arrivals() == []
    assert writes == []


def test_nothing_but_walks_and_the_hold_is_read(
    walked: Walked, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.know(walked)
    bench.arrive([b for sensor in walked.batches for b in walked.batches[sensor]])
    read = bench.store.read_samples
    seen: list[tuple[int, int]] = []

    def noted(wearer: str, sensor: str, start_ns: int, end_ns: int) -> Samples:
        if sensor != "trunk":
            seen.append((start_ns, end_ns))
        return read(wearer, sensor, start_ns, end_ns)

    monkeypatch.setattr(bench.store, "read_samples", noted)
    bench.settle()
    hold = tuple(START_NS + round(s * 1e9) for s in walked.meta["upright_reference"])
    bouts = bench.store.read_results("demo", "walking_bout", *ALL_TIME)
    assert seen
    for start_ns, end_ns in seen:
        assert (start_ns, end_ns) == hold or any(
            bout.start_ns - 10**9 <= start_ns < end_ns <= bout.end_ns + 10**9 for bout in bouts
        )


def test_without_a_stand_on_that_day_hips_are_not_told(walked: Walked, bench: Bench) -> None:
    """A hold of yesterday says nothing of a sensor that was put on this morning."""
    bench.know(walked, stands=False)
    begin_ns = START_NS - 86_400 * 10**9
    bench.clinic.add_hold(Hold("demo", "trunk", begin_ns, begin_ns + 10**10, "standing", "mark"))
    bench.arrive([b for name in ("trunk", "thigh_left") for b in walked.batches[name]])
    bench.arrive(walked.batches["wrist_left"])
    bench.settle()
    (result,) = bench.told()
    assert result.body["observable"] == {"thigh_left": "reference", "wrist_left": True}
    assert set(figures(result)) == {"arm_swing_deg_left", "arm_swing_coupling_left"}


def test_today_is_told_while_samples_keep_coming(walked: Walked, bench: Bench) -> None:
    bench.know(walked)
    for at in range(90):
        bench.arrive([walked.batches[name][at] for name in ("trunk", "thigh_left")])
        if at % 10 == 9:
            bench.worker.tick()
            bench.now_s += 30.0
    assert bench.told() == []
    for _ in range(14):
        bench.arrive([walked.batches["thigh_left"][-1]])
        bench.worker.tick()
        bench.now_s += 30.0
    (result,) = bench.told()
    assert "hip_peak_extension_deg_left" in figures(result)
