"""Days of synthetic results, and the site that shows them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from flask import Flask
from flask.testing import FlaskClient

from analytics.dashboard.app import close_app, create_app
from analytics.exposure.days import NS_PER_S, Day
from analytics.exposure.summary import DayExposure, HourExposure
from analytics.exposure.timeline import runs_of
from analytics.store.base import Provenance, Result, StoredBatch
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from wire.batch import Batch, Channel
from wire.ids import new_session

MINUTE_NS = 60 * NS_PER_S
PROVENANCE = Provenance("0", "synthetic")
ZONE = ZoneInfo("Europe/Berlin")
TODAY = Day(date(2026, 6, 10), ZONE)
PASSWORD = "correct horse battery staple"

PLAN = (
    (0, "lying_supine"),
    (190, "lying_left"),
    (400, "standing"),
    (430, "sitting"),
    (455, "walking"),
    (480, "sitting"),
    (600, "standing"),
    (610, "sitting"),
    (725, "walking"),
    (740, "sitting"),
    (765, "standing"),
    (790, "sitting"),
    (960, "walking"),
    (985, "not_worn"),
    (1030, "sitting"),
    (1150, "standing"),
    (1200, "sitting"),
    (1330, "lying_right"),
)
"""(minute of the day, posture from then on)"""
SLOUCHED = ((500, 545), (640, 720), (820, 905), (1060, 1100), (1230, 1300))
"""Minutes of the day, from .. to, in which sitting is mostly slouched."""


@dataclass
class Clock:
    """A clock that tests set; nanoseconds UTC."""

    now_ns: int = TODAY.start_ns + 15 * 60 * MINUTE_NS

    def __call__(self) -> int:
        return self.now_ns


def minute_result(start_ns: int, columns: dict[str, list[Any]]) -> Result:
    """A timeline minute; `columns` replace the standard sitting ones."""
    body = {
        "step_s": 1,
        "posture": ["sitting"] * 60,
        "trunk_flexion_deg": [4.0] * 60,
        "trunk_lateral_deg": [0.0] * 60,
        "slouched": [False] * 60,
        "worn": [True] * 60,
        "probability": [0.97] * 60,
    }
    return Result("timeline", start_ns, start_ns + MINUTE_NS, body | columns)


def runs_result(minute: Result) -> Result:
    """The short form that belongs to a timeline minute."""
    return Result("timeline_runs", minute.start_ns, minute.end_ns, runs_of(minute.body))


def synthetic_day(day: Day, seed: int, until_minute: int = 1500) -> list[Result]:
    """All results of a plausible day, up to a minute of it."""
    random = np.random.default_rng(seed)
    count = min((day.end_ns - day.start_ns) // MINUTE_NS, until_minute)
    shift = np.cumsum(random.integers(-4, 5, len(PLAN)))
    starts = np.array([start for start, _ in PLAN]) + np.where(np.arange(len(PLAN)) > 0, shift, 0)
    names = np.array([name for _, name in PLAN])
    second = np.arange(count * 60)
    posture = names[np.searchsorted(starts, second / 60, side="right") - 1]
    sitting = posture == "sitting"
    slouch = np.zeros(len(second), bool)
    for first, last in SLOUCHED:
        slouch[first * 60 : last * 60] = True
    slouch &= sitting & (random.random(len(second)) < 0.96)
    flexion = np.where(slouch, 14.0, 3.0) + np.round(random.normal(0, 2, len(second)), 1)
    worn = posture != "not_worn"
    results = []
    for minute in range(count):
        part = slice(minute * 60, minute * 60 + 60)
        slouched = [
            bool(s) if sits else None for s, sits in zip(slouch[part], sitting[part], strict=True)
        ]
        results.append(
            minute_result(
                day.start_ns + minute * MINUTE_NS,
                {
                    "posture": posture[part].tolist(),
                    "trunk_flexion_deg": [
                        round(f, 1) if w else None
                        for f, w in zip(flexion[part].tolist(), worn[part].tolist(), strict=True)
                    ],
                    "slouched": slouched,
                    "worn": worn[part].tolist(),
                },
            )
        )
    results += [runs_result(minute) for minute in results]
    results += _episodes(day, count, slouch)
    results += _movements(day, count, posture, random)
    answers = {"posture": True, "trunk_flexion": True, "slouch": True, "walking": True}
    results += [
        Result(
            "quality",
            minute.start_ns,
            minute.end_ns,
            {"worn_s": 60, "gap_s": 0, "observable": answers},
        )
        for minute in results
        if minute.kind == "timeline"
    ]
    return sorted(results, key=lambda result: result.start_ns)


def _episodes(day: Day, count: int, slouch: np.ndarray) -> list[Result]:
    found = []
    for first, last in SLOUCHED:
        minutes = float(slouch[first * 60 : last * 60].sum()) / 60
        if minutes and last < count:
            body = {
                "mean_deg": 14.0,
                "dose": 6.0,
                "minutes_low": round(minutes * 0.8, 2),
                "minutes_high": round(minutes * 1.1, 2),
            }
            found.append(
                Result(
                    "slouch_episode",
                    day.start_ns + first * MINUTE_NS,
                    day.start_ns + last * MINUTE_NS,
                    body,
                )
            )
    return found


def _movements(
    day: Day, count: int, posture: np.ndarray, random: np.random.Generator
) -> list[Result]:
    found = []

    def at(second: int, kind: str) -> None:
        start_ns = day.start_ns + second * NS_PER_S
        body = {"kind": kind, "direction": None, "peak_deg": 20.0, "confidence": 0.9}
        found.append(Result("movement", start_ns, start_ns + 2 * NS_PER_S, body))

    edges = (np.flatnonzero(posture[1:] != posture[:-1]) + 1).tolist()
    for edge, end in zip(edges, [*edges[1:], len(posture)], strict=True):
        before, after = posture[edge - 1], posture[edge]
        if before == "sitting" and after in {"standing", "walking"}:
            at(edge, "sit_to_stand")
        if before in {"standing", "walking"} and after == "sitting":
            at(edge, "stand_to_sit")
        if before == "sitting" and after.startswith("lying"):
            at(edge, "sit_to_lie")
        if before.startswith("lying"):
            at(edge, "bed_roll" if after.startswith("lying") else "lie_to_stand")
        if after == "walking":
            body = {"step_count": 1800, "cadence_spm": 108.0, "prolonged": end - edge > 900}
            start_ns, end_ns = (day.start_ns + s * NS_PER_S for s in (edge, end))
            found.append(Result("walking_bout", start_ns, end_ns, body))
    for kind, often in (
        ("squat", 5),
        ("forward_bend", 14),
        ("lateral_bend", 9),
        ("trunk_rotation", 30),
        ("bed_roll", 6),
    ):
        low, high = (60, 390) if kind == "bed_roll" else (410, 1320)
        for second in random.integers(low * 60, high * 60, random.poisson(often)).tolist():
            if second < count * 60:
                at(second, kind)
    return found


def moved(found: DayExposure, day: Day) -> DayExposure:
    """The same figures on another day of as many hours."""
    pairs = zip(day.hours(), found.hours, strict=True)
    hours = tuple(HourExposure(hour, old.exposure) for hour, old in pairs)
    return replace(found, date=day.date, hours=hours)


def fill_day(store: EmbeddedStore, wearer: str, day: Day, seed: int, until: int = 1500) -> None:
    """Write a synthetic day."""
    store.write_results(
        wearer, day.start_ns, day.end_ns, synthetic_day(day, seed, until), PROVENANCE
    )


def write_sample(store: EmbeddedStore, wearer: str, t_ns: int) -> None:
    """One stored sample: the last time that the sensor was heard of."""
    channel = Channel(np.zeros((1, 3), np.int16), 0.01)
    batch = Batch(
        session=new_session(),
        seq=0,
        floor_seq=0,
        t0_ns=t_ns,
        dt_ns=NS_PER_S,
        n=1,
        channels={"accel": channel},
        rx_ns=t_ns,
        clock_err_ns=0,
    )
    store.write_batches([StoredBatch(wearer, "back", batch)])


@dataclass
class Site:
    """Everything that a page stands on."""

    store: EmbeddedStore
    clinic: Clinic
    app: Flask
    clock: Clock

    def client(self, name: str | None = None) -> FlaskClient:
        """A test client, logged in when a name is given."""
        client = self.app.test_client()
        if name:
            answer = client.post("/login", data={"name": name, "password": PASSWORD})
            assert answer.status_code == 303
        return client


def site_in(folder: Path, people: Path) -> Iterator[Site]:
    """A copy of the clinic and the store in a folder, and the app on them."""
    shutil.copy(people, folder / "clinic.db")
    store, clinic = EmbeddedStore(folder / "samples.db"), Clinic(folder / "clinic.db")
    clock = Clock()
    app = create_app(store, clinic, secret_key="0" * 32, secure_cookies=False, clock_ns=clock)
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    yield Site(store, clinic, app, clock)
    close_app(app)
    clinic.close()
    store.close()
