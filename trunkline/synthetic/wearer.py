"""The synthetic wearer: a script's trajectory seen by a sensor, whole or in bounded pieces.

Realistic are: gravity, turning and displacement that belong to one trajectory; durations, rise and
lean of transitions; cadence and the spectrum of walking up to 16 Hz (docs/synthetic.md compares
them with public recordings); breathing as a small tilt; a strap that sits askew. Not realistic are:
foot-contact shocks above that, stairs, running, vehicles, hesitation, and the spread between
people. Detectors must be judged on recordings of people; this exercises the way of the data and
catches what breaks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from trunkline.synthetic.limbs import LIMBS, LimbSensor
from trunkline.synthetic.script import Script
from trunkline.synthetic.sensor import SITES, Noise, mounting, readings
from trunkline.synthetic.stories import REFERENCE_S, STORIES, Story

_PIECE_SAMPLES = 1 << 15
"""Samples evaluated at once: intermediate arrays stay in the processor's cache."""


class SyntheticError(ValueError):
    """What was asked cannot be simulated; the message says what can."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive samples: t_s (n,) s from the start, accel (n, 3) m/s², gyro (n, 3) rad/s."""

    t_s: NDArray[np.float64]
    accel: NDArray[np.float32]
    gyro: NDArray[np.float32]
    limbs: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """`<placement>_accel` and `<placement>_gyro` (n, 3) of the extra sensors."""


@dataclass(frozen=True, slots=True)
class SyntheticDay:
    """A recording: t_s (n,) s, accel (n, 3) m/s² with gravity, gyro (n, 3) rad/s, sensor axes."""

    t_s: NDArray[np.float64] = field(repr=False)
    accel: NDArray[np.float32] = field(repr=False)
    gyro: NDArray[np.float32] = field(repr=False)
    metadata: dict[str, Any]
    truth: dict[str, Any] = field(repr=False)


class SyntheticWearer:
    """One run of a story. The same arguments always give the same readings and truth."""

    def __init__(
        self,
        duration_s: float,
        rate_hz: float = 50.0,
        placement: str = "T12",
        seed: int = 0,
        *,
        story: str | Story = "day",
        first_hour: float = 7.0,
        start_utc: dt.datetime | None = None,
        noise: Noise | None = None,
        limbs: Mapping[str, float] | None = None,
    ) -> None:
        """Runs the script; the readings are made by `pieces`.

        first_hour: local time of day at the beginning, for the day story. limbs: extra sensors by
        placement, with the seconds by which each one's clock is slow. Raises SyntheticError.
        """
        if placement not in SITES:
            raise SyntheticError(
                f"placement {placement!r} cannot be simulated; use one of {', '.join(SITES)}"
            )
        unknown = sorted(set(limbs or ()) - set(LIMBS))
        if unknown:
            raise SyntheticError(
                f"an extra sensor at {unknown[0]!r} cannot be simulated; use {', '.join(LIMBS)}"
            )
        if isinstance(story, str) and story not in STORIES:
            raise SyntheticError(f"story {story!r} is unknown; use one of {', '.join(STORIES)}")
        if not (1 <= duration_s <= 31 * 86400 and 5 <= rate_hz <= 1000):
            raise SyntheticError("use a duration of 1 s to 31 days and a rate of 5 to 1000 Hz")
        if start_utc is not None and start_utc.tzinfo is None:
            raise SyntheticError("start_utc has no time zone; use for example 2026-03-02T07:00Z")
        self.rate_hz = float(rate_hz)
        self.n = round(duration_s * rate_hz)
        self._seed = seed
        self._site = SITES[placement]
        self._noise = Noise() if noise is None else noise
        rng = default_rng(seed)
        self._mount = mounting(self._site, rng.normal(0.0, 5.0), rng.normal(0.0, 2.0))
        self._bias = rng.normal(0.0, self._noise.gyro_bias_radps, 3)
        script = Script(rng, self._site)
        tell = STORIES[story] if isinstance(story, str) else story
        tell(script, rng, duration_s, first_hour)
        name = story if isinstance(story, str) else "played"
        script.finish()
        self._trajectory = script.trajectory()
        identity = {
            "recording_id": f"synthetic_{name}_{placement}_{seed}",
            "set": "synthetic",
            "subject": f"synthetic-{seed}",
            "placement": placement,
        }
        self.metadata: dict[str, Any] = {
            **identity,
            "rate_hz": self.rate_hz,
            "upright_reference": list(REFERENCE_S) if duration_s > REFERENCE_S[1] else None,
            "reference_posture": "standing" if duration_s > REFERENCE_S[1] else None,
            "axes": dict(self._site.axes),
            "start_utc": None if start_utc is None else _iso(start_utc),
        }
        self.truth: dict[str, Any] = {**identity, **script.truth.as_dict(duration_s)}
        self._limbs = [
            LimbSensor(name, script.walks, default_rng([seed, 7, i]), clock_offset_s=offset_s)
            for i, (name, offset_s) in enumerate((limbs or {}).items())
        ]
        if self._limbs:
            walks = [w for w in script.walks if w.strikes_s[-1] <= duration_s]
            self.truth["limbs"] = {
                limb.name: limb.truth(walks, self._trajectory) for limb in self._limbs
            }
            self.metadata["extra_axes"] = {
                limb.name: limb.axes for limb in self._limbs if limb.name == "pelvis"
            }

    @property
    def extra_quantities(self) -> list[str]:
        """`<placement>_accel` and `<placement>_gyro` of the extra sensors, in order."""
        return [f"{limb.name}_{what}" for limb in self._limbs for what in ("accel", "gyro")]

    def pieces(self) -> Iterator[Piece]:
        """The readings in consecutive pieces of bounded size."""
        for number, first in enumerate(range(0, self.n, _PIECE_SAMPLES)):
            t_s = np.arange(first, min(first + _PIECE_SAMPLES, self.n)) / self.rate_hz
            force, rate = readings(self._trajectory.evaluate(t_s), self._site, self._mount)
            yield Piece(
                t_s,
                _noisy(default_rng([self._seed, number, 0]), force, self._noise.accel_mps2),
                _noisy(
                    default_rng([self._seed, number, 1]), rate + self._bias, self._noise.gyro_radps
                ),
                self._limb_readings(t_s),
            )

    def _limb_readings(self, t_s: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
        out: dict[str, NDArray[np.float32]] = {}
        for limb in self._limbs:
            accel, gyro = limb.readings(t_s, self._trajectory)
            out |= {f"{limb.name}_accel": accel, f"{limb.name}_gyro": gyro}
        return out


def simulate(
    duration_s: float,
    rate_hz: float = 50.0,
    placement: str = "T12",
    seed: int = 0,
    *,
    story: str | Story = "day",
    first_hour: float = 7.0,
    start_utc: dt.datetime | None = None,
    noise: Noise | None = None,
) -> SyntheticDay:
    """A whole recording in memory (24 h at 50 Hz: 140 MB). Raises SyntheticError."""
    wearer = SyntheticWearer(
        duration_s,
        rate_hz,
        placement,
        seed,
        story=story,
        first_hour=first_hour,
        start_utc=start_utc,
        noise=noise,
    )
    t_s = np.arange(wearer.n) / wearer.rate_hz
    accel = np.empty((wearer.n, 3), np.float32)
    gyro = np.empty((wearer.n, 3), np.float32)
    done = 0
    for piece in wearer.pieces():
        part = slice(done, done + len(piece.t_s))
        accel[part], gyro[part], done = piece.accel, piece.gyro, part.stop
    return SyntheticDay(t_s, accel, gyro, wearer.metadata, wearer.truth)


def simulate_day(
    local_date: dt.date,
    seed: int,
    *,
    zone: dt.tzinfo = dt.UTC,
    hours: tuple[float, float] = (0.0, 24.0),
    rate_hz: float = 50.0,
    placement: str = "T12",
) -> SyntheticDay:
    """One local day (or the hours from .. to of it) with `start_utc` set, for seeding a history.

    Days of one wearer take one seed: the date is mixed in, so that no two days are alike.
    """
    midnight = dt.datetime.combine(local_date, dt.time(), zone).astimezone(dt.UTC)
    start_utc = midnight + dt.timedelta(hours=hours[0])
    return simulate(
        (hours[1] - hours[0]) * 3600.0,
        rate_hz,
        placement,
        seed * 100_003 + local_date.toordinal(),
        first_hour=hours[0],
        start_utc=start_utc,
    )


def _noisy(rng: Generator, clean: NDArray[np.float64], sd: float) -> NDArray[np.float32]:
    noise = rng.standard_normal(clean.shape, dtype=np.float32)
    noise *= np.float32(sd)
    noise += clean
    return noise


def _iso(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
