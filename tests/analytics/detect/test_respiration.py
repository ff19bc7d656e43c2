"""Breathing: exact rates at rest, silence in movement, and silence where nobody breathes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from analytics.detect.parameters import Parameters
from analytics.detect.quiet import QuietParameters, quiet_seconds
from analytics.detect.respiration import Breaths, RespirationParameters, respiration
from analytics.offline import analyse
from analytics.recording import read_recording
from analytics.signal.calibration import calibrate
from analytics.signal.frames import Frames
from analytics.signal.grid import GridParameters
from analytics.signal.orientation import Bias, frames_of
from analytics.signal.stream import ReadingStream

G = 9.80665
HZ = 50
Vectors = NDArray[np.float64]


def framed(accel: Vectors, gyro: Vectors | None = None) -> Frames:
    """What the detectors read of (n, 3) samples at 50 Hz."""
    t_ns = np.arange(len(accel), dtype=np.int64) * 20_000_000
    calibration = calibrate(t_ns, accel, gyro, reference_ns=None)
    stream = ReadingStream(
        has_gyro=gyro is not None, rate_hz=HZ, calibration=calibration, grid=GridParameters()
    )
    values = accel if gyro is None else np.concatenate((accel, gyro), axis=1)
    readings = stream.push(t_ns, values.T)
    assert readings is not None
    return frames_of(readings.whole_seconds(), calibration.rotation, Bias.of(calibration))


def breaths(frames: Frames) -> tuple[Breaths, ...]:
    quiet = quiet_seconds(frames, QuietParameters())
    return respiration(frames, quiet, frames.first_s, frames.end_s, RespirationParameters())


def breather(
    rate_per_min: float,
    seconds: int,
    *,
    lean_deg: float = 0.0,
    swing_deg: float = 0.4,
    seed: int = 0,
) -> tuple[Vectors, Vectors]:
    """accel, gyro (n, 3) of a trunk that leans, breathes with a pause, sways and is noisy."""
    rng = np.random.default_rng(seed)
    t = np.arange(seconds * HZ) / HZ
    phase = 2 * np.pi * rate_per_min / 60.0 * t
    chest = np.sin(phase) + 0.25 * np.sin(2 * phase + 0.7)
    sway = np.cumsum(rng.normal(0.0, 0.004, len(t)))
    pitch = np.radians(lean_deg + swing_deg * chest + sway)
    trunk = Rotation.from_rotvec(pitch[:, None] * (0.0, 1.0, 0.0))
    accel = trunk.inv().apply(np.tile((0.0, 0.0, G), (len(t), 1)))
    turn = (trunk[:-1].inv() * trunk[1:]).as_rotvec() * HZ
    gyro = np.concatenate((turn, turn[-1:]))
    return accel + rng.normal(0, 0.02, accel.shape), gyro + rng.normal(0, 0.002, gyro.shape)


@pytest.mark.parametrize("rate", [3.0, 4.0, 6.0, 9.0, 14.0, 22.0, 36.0])
@pytest.mark.parametrize("lean_deg", [-12.0, -88.0])
@pytest.mark.parametrize("with_gyro", [True, False])
def test_a_steady_rate_is_told_within_a_quarter_breath(
    rate: float, lean_deg: float, *, with_gyro: bool
) -> None:
    accel, gyro = breather(rate, 300, lean_deg=lean_deg)
    found = breaths(framed(accel, gyro if with_gyro else None))
    answered_s = sum(b.end_s - b.start_s for b in found)
    assert answered_s >= 0.8 * 300
    for item in found:
        assert item.breaths_per_min == pytest.approx(rate, abs=0.25, rel=0.015)
        assert item.confidence >= RespirationParameters().least_confidence


@given(vector=st.tuples(*[st.floats(-3.0, 3.0)] * 3))
@settings(max_examples=5, deadline=None)
def test_any_mounting_gives_the_same_rate(vector: tuple[float, float, float]) -> None:
    mount = Rotation.from_rotvec(vector)
    accel, gyro = breather(13.0, 120)
    a = breaths(framed(accel, gyro))
    b = breaths(framed(mount.apply(accel), mount.apply(gyro)))
    assert [x.start_s for x in a] == [x.start_s for x in b]
    for left, right in zip(a, b, strict=True):
        assert right.breaths_per_min == pytest.approx(left.breaths_per_min, abs=0.1)


def test_half_a_minute_is_enough_and_less_is_not() -> None:
    accel, _ = breather(16.0, 120)
    shaken = accel.copy()
    rng = np.random.default_rng(1)
    shaken[40 * HZ :] += rng.normal(0.0, 2.0, shaken[40 * HZ :].shape)
    (first,) = breaths(framed(shaken))
    assert (first.start_s, first.end_s) == (0, 40)
    shaken[25 * HZ :] = accel[25 * HZ :] + rng.normal(0.0, 2.0, shaken[25 * HZ :].shape)
    assert breaths(framed(shaken)) == ()


def test_moving_about_is_answered_with_silence() -> None:
    accel, gyro = breather(14.0, 180)
    t = np.arange(len(accel)) / HZ
    accel[:, 2] += 1.2 * np.sin(2 * np.pi * 1.8 * t)
    assert breaths(framed(accel, gyro)) == ()


def coloured(rng: np.random.Generator, n: int, slope: float) -> Vectors:
    """(n, 3) noise whose power falls by frequency to the power of `slope`, SD 1."""
    hz = np.fft.rfftfreq(n, 1 / HZ)
    shape = np.concatenate(([0.0], hz[1:] ** (-slope / 2)))
    noise = np.fft.irfft(shape * np.exp(2j * np.pi * rng.random((3, len(hz)))), n).T
    scaled: Vectors = noise / noise.std(axis=0)
    return scaled


def white(rng: np.random.Generator, n: int) -> Vectors:
    return rng.normal(0.0, 0.05, (n, 3))


def quantised(rng: np.random.Generator, n: int) -> Vectors:
    step = 0.038  # 4 mg, an 8-bit sensor over +-0.5 g
    return np.round(rng.normal(0.012, 0.012, (n, 3)) / step) * step


def flicker(rng: np.random.Generator, n: int) -> Vectors:
    return 0.08 * coloured(rng, n, 1.0)


def wandering(rng: np.random.Generator, n: int) -> Vectors:
    return 0.15 * coloured(rng, n, 2.0)


def warming_up(rng: np.random.Generator, n: int) -> Vectors:
    drift = 0.3 * (1.0 - np.exp(-np.arange(n) / HZ / 200.0))
    return drift[:, None] * (1.0, -0.5, 0.3) + white(rng, n)


def fan(rng: np.random.Generator, n: int) -> Vectors:
    t = np.arange(n) / HZ
    hum = 0.15 * np.sin(2 * np.pi * 23.7 * t) + 0.1 * np.sin(2 * np.pi * 11.9 * t)
    return hum[:, None] * (0.5, 0.3, 1.0) + white(rng, n)


def typing(rng: np.random.Generator, n: int) -> Vectors:
    out = white(rng, n)
    for at in np.cumsum(rng.gamma(2.0, 1.5, n // HZ) * HZ).astype(int):
        if at < n - 20:
            ring = np.exp(-np.arange(20) / 4.0) * np.cos(np.arange(20) * 1.9)
            out[at : at + 20, 2] += rng.uniform(0.3, 2.0) * ring
    return out


def bus(rng: np.random.Generator, n: int) -> Vectors:
    """Stops and curves below half a hertz, the road above."""
    t = np.arange(n) / HZ
    out = 0.4 * coloured(rng, n, 1.5) + 0.15 * rng.normal(0, 1, (n, 3))
    for at in rng.integers(0, n, n // HZ // 20):
        out[:, 0] += rng.choice((-1.0, 1.0)) * np.exp(-(((t - at / HZ) / 4.0) ** 2))
    return out


def car(rng: np.random.Generator, n: int) -> Vectors:
    """A smooth road: only the slow part is left."""
    return 0.25 * coloured(rng, n, 1.2) + 0.05 * rng.normal(0, 1, (n, 3))


@pytest.mark.parametrize(
    "noise", [white, quantised, flicker, wandering, warming_up, fan, typing, bus, car]
)
@pytest.mark.parametrize("with_gyro", [True, False])
def test_nothing_breathes_where_nobody_does(
    noise: Callable[[np.random.Generator, int], Vectors], *, with_gyro: bool
) -> None:
    rng = np.random.default_rng(17)
    n = 3600 * HZ
    accel = noise(rng, n) + G * np.array((0.6, 0.0, 0.8))
    gyro = rng.normal(0.0, 0.003, (n, 3)) + 0.0005 * coloured(rng, n, 1.0)
    assert breaths(framed(accel, gyro if with_gyro else None)) == ()


@pytest.mark.corpus
def test_paced_breathing(shared_dir: Path) -> None:
    folder = shared_dir / "corpus" / "recordings" / "ThoraxPaced"
    for seconds in (6, 12):
        recording = read_recording(folder / f"thoraxpaced_pos1_{seconds:02}s.parquet")
        found = analyse(recording).document()["respiration"]
        assert sum(b["end_s"] - b["start_s"] for b in found) >= 0.9 * recording.duration_s
        for item in found:
            assert item["breaths_per_min"] == pytest.approx(60 / seconds, abs=0.3)


def test_parameters_are_written_down() -> None:
    assert "least_confidence" in Parameters().to_dict()["respiration"]
