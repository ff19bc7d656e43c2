"""What the store and the diary of these tests hold: one of everything an export can show."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np

from analytics.export.subject import Subject
from analytics.store.base import Result, StoredBatch
from analytics.store.records import DiaryEntry
from wire.batch import Batch, Channel
from wire.ids import new_session

S = 1_000_000_000
HOUR = 3600 * S
DAY_NS = 1_772_406_000 * S
"""2026-03-02 00:00 in Berlin, 2026-03-01 23:00 UTC."""


def batches(
    sensor: str, t0_ns: int, seconds: int, quantities: tuple[str, ...]
) -> list[StoredBatch]:
    """One-second batches of 50 samples at 50 Hz with random counts."""
    rng = np.random.default_rng(1)
    session = new_session()
    return [
        StoredBatch(
            "w1",
            sensor,
            Batch(
                session=session,
                seq=i,
                floor_seq=0,
                t0_ns=t0_ns + i * S,
                dt_ns=20_000_000,
                n=50,
                channels={
                    name: Channel(rng.integers(-32768, 32767, (50, 3)).astype(np.int16), 0.0011)
                    for name in quantities
                },
                rx_ns=t0_ns + (i + 1) * S,
                clock_err_ns=1000,
            ),
        )
        for i in range(seconds)
    ]


def minute(start_ns: int, posture: str | None = "sitting") -> Result:
    """A minute of the timeline whose odd seconds know nothing of slouching."""
    body = {
        "step_s": 1,
        "posture": [posture] * 60,
        "trunk_flexion_deg": [None if posture is None else i / 7 for i in range(60)],
        "trunk_lateral_deg": [None] * 60,
        "slouched": [None if i % 2 else i > 30 for i in range(60)],
        "worn": [None if posture is None else True] * 60,
        "probability": [None if posture is None else 0.9] * 60,
    }
    return Result("timeline", start_ns, start_ns + 60 * S, body)


def results() -> list[Result]:
    """Two minutes, and one of each kind; the walk begins in the second minute."""
    at = DAY_NS + 8 * HOUR
    movement = {"kind": "lateral_bend", "direction": "left", "peak_deg": 21.7, "confidence": None}
    slouch = {"mean_deg": 14.2, "minutes": 10.5, "minutes_low": 9.0, "minutes_high": 12.0}
    bout = {
        "step_count": 3,
        "cadence_spm": 112.5,
        "step_length_m": None,
        "walking_speed_mps": None,
        "step_time_asymmetry_pct": None,
        "step_regularity": 0.8,
        "step_times_s": [0.25, 0.75, 1.281],
        "prolonged": False,
    }
    return [
        minute(at),
        minute(at + 60 * S),
        Result("movement", at + 5 * S, at + 8 * S, movement),
        Result("slouch_episode", at + 10 * S, at + 640 * S, slouch),
        Result("walking_bout", at + 70 * S, at + 90 * S, bout),
    ]


def diary(start_ns: int, end_ns: int) -> list[DiaryEntry]:
    """Two entries at nine, one with nothing but the symptom."""
    at = DAY_NS + 9 * HOUR
    entries = [
        DiaryEntry("w1", at, "pain", "iliac_crest", "left", 6, at + 7 * S, "mark"),
        DiaryEntry("w1", at + 1, "numbness", None, None, None, at + 9 * S, "dashboard"),
    ]
    return [entry for entry in entries if start_ns <= entry.at_ns < end_ns]


DAY = Subject("w1", "w1", DAY_NS, DAY_NS + 24 * HOUR, ZoneInfo("Europe/Berlin"), diary)
"""The day of the wearer, under the wearer's own name."""
