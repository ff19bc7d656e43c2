"""Synthetic sensor signals with exactly known movement, for the tests of analytics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import signal
from scipy.spatial.transform import Rotation

from analytics.signal.calibration import calibrate
from analytics.signal.frames import Frames
from analytics.signal.grid import GridParameters
from analytics.signal.orientation import Bias, frames_of
from analytics.signal.stream import ReadingStream

G = 9.80665


@dataclass(frozen=True)
class Script:
    """Trunk motion at 50 Hz; build it with the functions below and `played`."""

    flexion_deg: NDArray[np.float64]
    lateral_deg: NDArray[np.float64]
    heading_deg: NDArray[np.float64]
    height_m: NDArray[np.float64]

    @property
    def t_ns(self) -> NDArray[np.int64]:
        return np.arange(len(self.height_m), dtype=np.int64) * 20_000_000


def _ease(n: int) -> NDArray[np.float64]:
    """Smooth 0 -> 1 with zero speed and acceleration at both ends."""
    x = np.linspace(0.0, 1.0, n)
    return x**3 * (10 - 15 * x + 6 * x * x)


class Wearer:
    """Writes a script movement by movement."""

    def __init__(self, seed: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        self._parts: list[NDArray[np.float64]] = []
        self._now = np.zeros(4)
        self.time_s = 0.0

    def hold(self, seconds: float) -> Wearer:
        """Breathe and sway a little."""
        n = round(seconds * 50)
        t = np.arange(n) / 50
        part = np.repeat(self._now[:, None], n, axis=1)
        fade = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / 25)
        part[0] += 0.4 * np.sin(2 * np.pi * 0.25 * t) * fade
        return self._add(part)

    def go(self, seconds: float, **to: float) -> Wearer:
        """Move smoothly to flexion, lateral, heading (deg) or height (m)."""
        names = ("flexion", "lateral", "heading", "height")
        n = round(seconds * 50)
        part = np.repeat(self._now[:, None], n, axis=1)
        for name, value in to.items():
            i = names.index(name)
            part[i] += (value - self._now[i]) * _ease(n)
            self._now[i] = value
        return self._add(part)

    def sit_down(self, *, height: float = -0.4, recline: float = -12.0) -> Wearer:
        self.go(0.9, flexion=30.0, height=0.45 * height)
        return self.go(1.0, flexion=recline, height=height)

    def stand_up(self) -> Wearer:
        self.go(0.8, flexion=32.0)
        return self.go(1.3, flexion=0.0, height=0.0)

    def lie_down(self, *, height: float = -0.5) -> Wearer:
        self.go(1.2, height=height)
        return self.go(2.0, flexion=-90.0)

    def walk(self, seconds: float, *, cadence_spm: float = 110.0) -> Wearer:
        n = round(seconds * 50)
        t = np.arange(n) / 50
        hz = cadence_spm / 60.0
        fade = np.minimum(1.0, np.minimum(np.arange(n), np.arange(n)[::-1]) / 20)
        part = np.repeat(self._now[:, None], n, axis=1)
        part[3] += 0.022 * np.cos(2 * np.pi * hz * t) * fade
        part[0] += (4.0 + 1.5 * np.sin(2 * np.pi * hz * t)) * fade
        part[1] += 2.0 * np.sin(np.pi * hz * t) * fade
        return self._add(part)

    def script(self) -> Script:
        return Script(*np.concatenate(self._parts, axis=1))

    def _add(self, part: NDArray[np.float64]) -> Wearer:
        self._parts.append(part)
        self.time_s += part.shape[1] / 50
        return self


def played(
    script: Script, *, mount: Rotation | None = None, noise: float = 0.02, seed: int = 0
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """t_ns, accel (n, 3), gyro (n, 3) of a sensor whose axes are forward, left, up of the trunk,
    turned by `mount`."""
    rng = np.random.default_rng(seed)
    angles = np.stack((script.heading_deg, script.flexion_deg, script.lateral_deg), axis=1)
    low = signal.butter(2, 6.0, fs=50, output="sos")
    angles = signal.sosfiltfilt(low, angles, axis=0)
    trunk = Rotation.from_euler("ZYX", angles, degrees=True)
    vertical = np.gradient(np.gradient(signal.sosfiltfilt(low, script.height_m), 0.02), 0.02)
    earth = np.stack((np.zeros_like(vertical), np.zeros_like(vertical), vertical + G), axis=1)
    accel = trunk.inv().apply(earth)
    turn = (trunk[:-1].inv() * trunk[1:]).as_rotvec() / 0.02
    gyro = np.concatenate((turn, turn[-1:]))
    if mount is not None:
        accel, gyro = mount.apply(accel), mount.apply(gyro)
    accel = accel + rng.normal(0, noise, accel.shape)
    gyro = gyro + rng.normal(0, noise * 0.1, gyro.shape)
    return script.t_ns, accel, gyro


def busy_day() -> Wearer:
    """A quarter of an hour with a little of everything."""
    w = Wearer().hold(20)
    w.sit_down().hold(60).stand_up().hold(8).walk(40).hold(10)
    w.go(1.2, flexion=50).hold(1).go(1.2, flexion=0).hold(6)
    w.sit_down().hold(30)
    for side in (25, -25):
        w.go(1.0, lateral=side).go(1.0, lateral=0).hold(4)
    for side in (35, -35):
        w.go(0.9, heading=side).go(0.9, heading=0).hold(4)
    w.go(4, flexion=18).hold(400).go(2, flexion=-5).hold(30).stand_up().hold(6).walk(180).hold(12)
    w.lie_down().hold(60).go(2.0, flexion=-20.0, lateral=65.0).hold(40)
    return w


def framed(script: Script) -> Frames:
    """What the detectors read of a script; its first four seconds are the upright reference."""
    t_ns, accel, gyro = played(script)
    calibration = calibrate(
        t_ns, accel, gyro, reference_ns=(0, 4 * 10**9), axes={"up": "+z", "forward": "+x"}
    )
    stream = ReadingStream(
        has_gyro=True, rate_hz=50.0, calibration=calibration, grid=GridParameters()
    )
    readings = stream.push(t_ns, np.concatenate((accel, gyro), axis=1).T)
    assert readings is not None
    return frames_of(readings.whole_seconds(), calibration.rotation, Bias.of(calibration))
