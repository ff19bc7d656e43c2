"""The wearer's recording: truth against readings, bounds, repeatability."""

from __future__ import annotations

import datetime as dt
import itertools
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from numpy.random import default_rng

from trunkline.synthetic.body import ScriptError
from trunkline.synthetic.script import Script
from trunkline.synthetic.sensor import SITES, Noise
from trunkline.synthetic.wearer import (
    SyntheticDay,
    SyntheticError,
    SyntheticWearer,
    simulate,
    simulate_day,
)


@pytest.fixture(scope="module")
def demo() -> SyntheticDay:
    return simulate(600.0, seed=3, story="demo")


def tilt_deg(day: SyntheticDay, start_s: float, end_s: float) -> float:
    """Angle between mean gravity of an interval and of the upright reference."""
    first, last = day.metadata["upright_reference"]
    upright = day.accel[(day.t_s >= first) & (day.t_s <= last)].mean(axis=0)
    there = day.accel[(day.t_s >= start_s) & (day.t_s <= end_s)].mean(axis=0)
    cosine = upright @ there / np.linalg.norm(upright) / np.linalg.norm(there)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def test_shapes_and_types(demo: SyntheticDay) -> None:
    assert demo.t_s.dtype == np.float64
    assert demo.t_s[1] == pytest.approx(0.02)
    assert demo.accel.shape == demo.gyro.shape == (30_000, 3)
    assert demo.accel.dtype == demo.gyro.dtype == np.float32


def test_every_movement_of_the_vocabulary_occurs(demo: SyntheticDay) -> None:
    kinds = {movement["kind"] for movement in demo.truth["movements"]}
    assert kinds == {
        "sit_to_stand",
        "stand_to_sit",
        "sit_to_lie",
        "lie_to_sit",
        "bed_roll",
        "squat",
        "lateral_bend",
        "trunk_rotation",
        "forward_bend",
    }


def test_slouches_tilt_by_15_to_25_degrees_and_upright_holds_do_not(demo: SyntheticDay) -> None:
    held = {label: [] for label in ("upright", "slouched")}
    for start_s, end_s, label in demo.truth["slouch"]:
        held[label].append(tilt_deg(demo, start_s, end_s))
    assert len(held["slouched"]) >= 2
    assert 14 < min(held["slouched"]) < max(held["slouched"]) < 30
    assert max(held["upright"]) < 6


def test_slouching_hardly_moves_the_pelvis() -> None:
    low = simulate(120.0, seed=3, story="demo", placement="L5")
    start_s, end_s, _ = next(h for h in low.truth["slouch"] if h[2] == "slouched")
    assert tilt_deg(low, start_s, end_s) < 11


def test_lying_is_horizontal_and_sides_differ(demo: SyntheticDay) -> None:
    gravity = {}
    for start_s, end_s, posture in demo.truth["posture"]:
        if posture.startswith("lying") and end_s - start_s > 5:
            part = (demo.t_s > start_s + 1) & (demo.t_s < end_s - 1)
            gravity[posture] = demo.accel[part].mean(axis=0)
            assert 70 < tilt_deg(demo, start_s + 1, end_s - 1) < 110
    assert demo.metadata["axes"] == {"up": "+x", "forward": "-z", "left": "+y"}
    assert gravity["lying_supine"][2] < -8  # forward (-z) looks up
    assert gravity["lying_left"][1] < -8  # left (+y) looks down
    assert gravity["lying_right"][1] > 8


def test_walking_has_its_steps(demo: SyntheticDay) -> None:
    start_s, end_s = demo.truth["walking_bouts"][0]
    part = (demo.t_s >= start_s + 2) & (demo.t_s <= end_s - 2)
    vertical = demo.accel[part, 0] - demo.accel[part, 0].mean()
    spectrum = np.abs(np.fft.rfft(vertical * np.hanning(len(vertical))))
    hz = np.fft.rfftfreq(len(vertical), 0.02)
    assert hz[spectrum.argmax()] * 60 == pytest.approx(demo.truth["bouts"][0]["cadence_spm"], abs=4)
    assert 1.5 < vertical.std() < 4.0
    steps = [s["time_s"] for s in demo.truth["steps"] if start_s <= s["time_s"] <= end_s]
    assert np.diff(steps) == pytest.approx(60 / demo.truth["bouts"][0]["cadence_spm"], rel=0.15)


def test_rest_is_still_and_of_the_stated_noise() -> None:
    day = simulate(20.0, seed=1, story="demo")
    part = (day.t_s > 2) & (day.t_s < 12)
    assert np.linalg.norm(day.accel[part], axis=1).mean() == pytest.approx(9.807, abs=0.01)
    assert np.diff(day.accel[part], axis=0).std() == pytest.approx(0.02 * np.sqrt(2), rel=0.1)
    assert np.diff(day.gyro[part], axis=0).std() == pytest.approx(0.003 * np.sqrt(2), rel=0.1)


def test_truth_is_ordered_inside_the_recording_and_without_overlap() -> None:
    truth = simulate(6 * 3600.0, rate_hz=10.0, seed=5).truth
    postures = truth["posture"]
    assert all(start < end for start, end, _ in postures)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(postures))
    assert postures[-1][1] <= truth["duration_s"] == 6 * 3600.0
    moves = truth["movements"]
    assert all(one["end_s"] <= two["start_s"] for one, two in itertools.pairwise(moves))
    assert all(5 < rate < 30 for _, _, rate in truth["breaths_per_min"])


def test_a_movement_cut_by_the_end_leaves_the_scope() -> None:
    whole = simulate(200.0, rate_hz=10.0, seed=2, story="demo").truth
    first = whole["movements"][0]
    cut_s = (first["start_s"] + first["end_s"]) / 2
    truth = simulate(cut_s, rate_hz=10.0, seed=2, story="demo").truth
    assert truth["movements"] == []
    assert truth["movement_scope"] == [[0.0, first["start_s"]]]


def test_same_seed_same_day_other_seed_other_day() -> None:
    one, again, other = (simulate(60.0, seed=seed) for seed in (4, 4, 5))
    assert np.array_equal(one.accel, again.accel)
    assert one.truth == again.truth
    assert not np.array_equal(one.accel, other.accel)


def test_a_longer_recording_begins_like_the_shorter_one() -> None:
    short, long = (simulate(s, seed=4, story="demo") for s in (60.0, 120.0))
    assert np.array_equal(short.gyro, long.gyro[: len(short.gyro)])


def test_noise_can_be_switched_off() -> None:
    silent = Noise(0.0, 0.0, 0.0)
    wearer = SyntheticWearer(12.0, placement="sternum", noise=silent)
    piece = next(wearer.pieces())
    assert np.linalg.norm(piece.gyro, axis=1).max() < 0.05


def test_a_day_begins_at_local_midnight_and_days_differ() -> None:
    zone = ZoneInfo("Europe/Berlin")
    one, two = (simulate_day(dt.date(2026, 3, day), 1, zone=zone, hours=(0, 0.1)) for day in (2, 3))
    assert one.metadata["start_utc"] == "2026-03-01T23:00:00Z"
    assert not np.array_equal(one.accel, two.accel)


def test_a_day_has_its_hours() -> None:
    truth = simulate_day(dt.date(2026, 3, 2), 1, rate_hz=5.0).truth
    hours = {
        prefix: sum(e - s for s, e, p in truth["posture"] if p.startswith(prefix)) / 3600
        for prefix in ("lying", "sitting", "standing", "walking")
    }
    assert 6 < hours["lying"] < 9
    assert 8 < hours["sitting"] < 14
    assert 1 < hours["standing"] < 6
    assert 0.5 < hours["walking"] < 5
    slouches = [e - s for s, e, label in truth["slouch"] if label == "slouched"]
    assert max(slouches) > 600
    assert {label for _, _, label in truth["slouch"]} >= {"upright", "forward", "backward"}


def test_a_sensor_put_aside_lies_still_and_the_truth_says_so() -> None:
    day = simulate_day(dt.date(2026, 3, 2), 1, hours=(6.4, 7.4), rate_hz=20.0)
    ((start_s, end_s),) = [(s, e) for s, e, p in day.truth["posture"] if p == "not_worn"]
    aside = (day.t_s > start_s + 1) & (day.t_s < end_s - 1)
    assert end_s - start_s > 300
    assert day.gyro[aside].std(axis=0).max() < 0.004
    assert 60 < tilt_deg(day, start_s + 1, end_s - 1) < 120
    assert [start_s, end_s] in day.truth["movement_scope"]
    assert len(day.truth["movement_scope"]) == 3  # taking off and putting on are left out


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"placement": "wrist_left"}, "T12"),
        ({"duration_s": 0.0}, "31 days"),
        ({"rate_hz": 0.0}, "1000 Hz"),
        ({"story": "opera"}, "demo"),
        ({"start_utc": dt.datetime(2026, 1, 1)}, "time zone"),
    ],
)
def test_what_cannot_be_simulated_is_said(change: dict[str, object], text: str) -> None:
    with pytest.raises(SyntheticError, match=text):
        SyntheticWearer(**{"duration_s": 60.0, **change})  # type: ignore[arg-type]


def test_the_body_keeps_its_order() -> None:
    script = Script(default_rng(0), SITES["T12"])
    with pytest.raises(ScriptError, match="lying"):
        script.sit_up()
    script.sit_down()
    script.lie_down("lying_left")
    with pytest.raises(ScriptError, match="already"):
        script.roll("lying_left")
