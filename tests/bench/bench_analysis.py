"""A day of six axes at 50 Hz: time against plain filtering of the same day, peak memory, linearity.

Runs in a process of its own, so that the peak memory is the analysis' own. Times are processor time
of one thread, so that a busy machine changes them less.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy import signal

from tests.bench.budget import Budget

ROOT = Path(__file__).parents[2]
RATE_HZ = 50
HOUR = 3600 * RATE_HZ


def an_hour(story: str) -> tuple[np.ndarray, np.ndarray, dict[str, object]]:
    """One synthetic hour: accel (n, 3), gyro (n, 3), metadata."""
    from trunkline.synthetic.wearer import simulate

    day = simulate(3600.0, RATE_HZ, "T12", seed=2, story=story, first_hour=9.0)
    return day.accel, day.gyro, day.metadata


def analyse_hours(hours: int, story: str = "day") -> dict[str, float]:
    """Seconds and peak memory of analysing `hours` of the same hour again and again."""
    import resource

    from analytics.pipeline import Pipeline
    from analytics.sensor_context import SensorContext
    from analytics.signal.calibration import calibrate

    accel, gyro, metadata = an_hour(story)
    t_ns = np.arange(HOUR, dtype=np.int64) * (10**9 // RATE_HZ)
    start_s, end_s = metadata["upright_reference"]  # type: ignore[misc]
    calibration = calibrate(
        t_ns,
        accel.astype(float),
        gyro.astype(float),
        reference_ns=(int(start_s * 1e9), int(end_s * 1e9)),
        reference_posture="standing",
        axes=metadata["axes"],  # type: ignore[arg-type]
    )
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipeline = Pipeline(SensorContext("T12", RATE_HZ, True, calibration))
    begun = time.process_time()
    for hour in range(hours):
        pipeline.push(t_ns + hour * 3600 * 10**9, accel, gyro)
        pipeline.final()
    pipeline.finish()
    spent_s = time.process_time() - begun
    after_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": spent_s, "peak_mb": after_kb / 1024, "before_mb": before_kb / 1024}


def filtering_s(hours: int) -> float:
    """Six-channel float64 zero-phase filtering (4th order Butterworth band-pass, 0.5-5 Hz) of a
    day in one piece, a row a sample as recordings are kept."""
    day = np.random.default_rng(0).standard_normal((hours * HOUR, 6))
    band = signal.butter(4, [0.5, 5.0], "bandpass", fs=RATE_HZ, output="sos")
    spent_s = []
    for _ in range(3):
        begun = time.process_time()
        signal.sosfiltfilt(band, day, axis=0)
        spent_s.append(time.process_time() - begun)
    return min(spent_s)


def in_own_process(hours: int, story: str = "day") -> dict[str, float]:
    answer = subprocess.run(
        [sys.executable, "-m", "tests.bench.bench_analysis", str(hours), story],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    result: dict[str, float] = json.loads(answer.stdout)
    return result


def measure() -> list[Budget]:
    day, quarter = in_own_process(24), in_own_process(6)
    moving = in_own_process(24, "demo")
    plain_s = filtering_s(24)
    return [
        Budget(
            "analyse 24 h, against zero-phase filtering",
            day["seconds"] / plain_s,
            2,
            "x",
            note=f"{day['seconds']:.1f} s against {plain_s:.1f} s; a movement each few seconds: "
            f"{moving['seconds']:.1f} s",
        ),
        Budget("analyse 24 h: peak memory", day["peak_mb"], 600, "MB"),
        Budget(
            "analyse: 24 h against 4 times 6 h (linear)",
            day["seconds"] / (4 * quarter["seconds"]),
            1.25,
            "x",
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(analyse_hours(int(sys.argv[1]), *sys.argv[2:])))
