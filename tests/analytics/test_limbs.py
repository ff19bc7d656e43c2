"""Extra sensors of a synthetic wearer: joint angles against the exact ones, clocks, mountings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analytics.offline import Analysis, analyse
from analytics.recording import Recording
from trunkline.synthetic.limbs import LIMBS
from trunkline.synthetic.script import Script
from trunkline.synthetic.wearer import SyntheticWearer


def story(script: Script, rng: np.random.Generator, duration_s: float, first_hour: float) -> None:
    """Stand, walk, stand."""
    script.hold(16.0)
    script.walk(duration_s - 30.0)
    script.hold(20.0)


def recorded(
    seed: int, limbs: dict[str, float], duration_s: float = 90.0
) -> tuple[Recording, dict[str, Any]]:
    wearer = SyntheticWearer(duration_s, 50.0, "T12", seed, story=story, limbs=limbs)
    pieces = list(wearer.pieces())
    meta = wearer.metadata
    recording = Recording(
        recording_id=meta["recording_id"],
        t_s=np.concatenate([p.t_s for p in pieces]),
        accel=np.concatenate([p.accel for p in pieces]).astype(float),
        gyro=np.concatenate([p.gyro for p in pieces]).astype(float),
        extras={
            name: np.concatenate([p.limbs[name] for p in pieces]).astype(float)
            for name in wearer.extra_quantities
        },
        rate_hz=50.0,
        placement="T12",
        axes=meta["axes"],
        upright_reference=tuple(meta["upright_reference"]),
        reference_posture="standing",
        meta=meta,
    )
    return recording, wearer.truth["limbs"]


def signs(analysis: Analysis) -> dict[str, float]:
    return {sign.kind: sign.pooled.value for sign in analysis.limb_signs}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_joint_angles_in_any_mounting_with_noise_and_bias(seed: int) -> None:
    """Mountings, biases and noise differ by seed; clocks are off by less than an impact's way."""
    clocks = dict(zip(LIMBS, (0.0, 0.03, -0.03, 0.02, -0.02), strict=True))
    recording, truth = recorded(seed, clocks)
    analysis = analyse(recording)
    found = signs(analysis)
    assert analysis.silent_limbs == {}
    extension = {}
    for side in ("left", "right"):
        hip = truth[f"thigh_{side}"]
        extension[side] = hip["peak_extension_deg"]
        assert found[f"hip_peak_extension_deg_{side}"] == pytest.approx(extension[side], abs=3.0)
        assert found[f"hip_peak_flexion_deg_{side}"] == pytest.approx(
            hip["peak_flexion_deg"], abs=3.0
        )
        assert found[f"arm_swing_deg_{side}"] == pytest.approx(
            truth[f"wrist_{side}"]["swing_deg"], abs=3.0
        )
        assert found[f"arm_swing_coupling_{side}"] > 0.9
    difference = extension["left"] - extension["right"]
    assert found["hip_peak_extension_deg_difference"] == pytest.approx(difference, abs=2.0)
    arms = [truth[f"wrist_{side}"]["swing_deg"] for side in ("left", "right")]
    assert found["arm_swing_asymmetry_pct"] == pytest.approx(
        200 * (arms[0] - arms[1]) / sum(arms), abs=8.0
    )
    pelvis = truth["pelvis"]
    assert found["trunk_on_pelvis_flexion_deg"] == pytest.approx(pelvis["flexion_deg"], abs=2.0)
    for kind in ("lateral", "rotation"):
        assert found[f"trunk_on_pelvis_{kind}_range_deg"] == pytest.approx(
            pelvis[f"{kind}_range_deg"], abs=3.0
        )


def test_a_clock_that_does_not_go_with_the_trunks_is_refused() -> None:
    recording, _ = recorded(4, {"thigh_left": 0.0, "thigh_right": 0.35, "wrist_left": 20.0})
    analysis = analyse(recording)
    assert analysis.silent_limbs == {"thigh_right": "time", "wrist_left": "time"}
    assert "hip_peak_extension_deg_left" in signs(analysis)
    assert "hip_peak_extension_deg_difference" not in signs(analysis)
    document = analysis.document()
    assert document["quality"]["extra_sensors"] == analysis.silent_limbs
    kinds = {sign["kind"]: sign for sign in document["gait_signs"]}
    sign = kinds["hip_peak_extension_deg_left"]
    assert sign["low"] < sign["value"] < sign["high"]


def test_without_a_reference_or_a_walk_there_is_a_reason() -> None:
    recording, _ = recorded(5, {"thigh_left": 0.0})
    blind = replace(recording, upright_reference=None, reference_posture=None)
    assert analyse(blind).silent_limbs == {"thigh_left": "reference"}
    standing = recording.t_s < 15.0
    still = replace(
        recording,
        t_s=recording.t_s[standing],
        accel=recording.accel[standing],
        gyro=recording.gyro[standing] if recording.gyro is not None else None,
        extras={name: values[standing] for name, values in recording.extras.items()},
    )
    assert analyse(still).silent_limbs == {"thigh_left": "walking"}


def test_a_gap_of_the_extra_sensor_leaves_that_walk_out() -> None:
    recording, _ = recorded(6, {"wrist_left": 0.0})
    holes = {name: values.copy() for name, values in recording.extras.items()}
    for values in holes.values():
        values[2000:2100] = np.nan
    assert analyse(replace(recording, extras=holes)).silent_limbs == {"wrist_left": "walking"}
