"""Sway in quiet standing: size, path and frequency of the trunk's tilt in half a minute.

The measures of Prieto et al. (1996, doi:10.1109/10.532130), taken of the direction of up instead of
the centre of pressure: RMS distance from the mean, length of the path, and the frequency at which
the mean distance would have to circle to make that path.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from analytics.detect.findings import SECOND_NS, Posture, Sway
from analytics.detect.quiet import SLOW_HZ, slow_signals
from analytics.signal.frames import Frames
from analytics.signal.masks import runs
from analytics.signal.parameter import parameter


@dataclass(frozen=True, slots=True)
class SwayParameters:
    """Which standing counts."""

    stand_s: int = parameter(
        30, unit="s", reason="the usual length of a balance test", source="Prieto 1996"
    )
    step_s: int = parameter(5, unit="s", reason="where a stand may begin")


@dataclass(frozen=True, slots=True)
class QuietStands:
    """Half minutes of stillness, whatever the posture; they may overlap."""

    start_s: NDArray[np.int64]
    """(n,)"""
    first_s: int
    tilt_deg: NDArray[np.float64]
    """(2, m) tilt forward and to the left at SLOW_HZ from first_s on, small angles."""

    def tilt_from(self, start_s: int, seconds: int) -> NDArray[np.float64]:
        """(2, seconds * SLOW_HZ) of one of them."""
        return self.tilt_deg[:, (start_s - self.first_s) * SLOW_HZ :][:, : seconds * SLOW_HZ]


def quiet_stands(
    frames: Frames, quiet: NDArray[np.bool_], start_s: int, stop_s: int, p: SwayParameters
) -> tuple[QuietStands, ...]:
    """Every still half minute that begins in [start_s, stop_s), if there is one. The frames go on
    behind stop_s, as far as there is something."""
    starts = [
        at
        for low, high in runs(quiet).tolist()
        for at in _starts(frames.first_s + low, frames.first_s + high, start_s, stop_s, p)
    ]
    if not starts:
        return ()
    tilt_deg = np.degrees(slow_signals(frames)[:2])
    return (QuietStands(np.array(starts), frames.first_s, tilt_deg),)


def _starts(low: int, high: int, start_s: int, stop_s: int, p: SwayParameters) -> range:
    low = max(low, start_s)
    return range(-(-low // p.step_s) * p.step_s, min(high - p.stand_s + 1, stop_s), p.step_s)


@dataclass(slots=True)
class StandState:
    """What is carried from block to block: a stand may reach over the edge."""

    open: tuple[QuietStands, ...] = ()
    """Those that go on behind the last block."""
    posture: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))
    """The last seconds of that block."""
    free_s: int = 0
    """End of the last one that was told: the next one begins after it."""


def sways(
    stands: Sequence[QuietStands],
    posture: NDArray[np.int8],
    first_s: int,
    state: StandState,
    *,
    directed: bool,
    parameters: SwayParameters,
) -> tuple[Sway, ...]:
    """Those in which the wearer stands, one after the other; `state` is brought up to date.

    posture (seconds,) from first_s on; directed: forward is known, so that sides have a meaning.
    """
    found: list[Sway] = []
    lasts_s = parameters.stand_s
    known = np.concatenate((state.posture, posture))
    stood = np.concatenate(([0], np.cumsum(known == Posture.STANDING)))
    from_s, end_s = first_s - len(state.posture), first_s + len(posture)
    going_on = []
    for some in (*state.open, *stands):
        over = some.start_s + lasts_s <= end_s
        if not over.all():
            going_on.append(replace(some, start_s=some.start_s[~over]))
        starts = some.start_s[over]
        low = starts - from_s
        for start_s in starts[stood[low + lasts_s] - stood[low] == lasts_s].tolist():
            if start_s >= state.free_s:
                state.free_s = start_s + lasts_s
                tilt_deg = some.tilt_from(start_s, lasts_s)
                found.append(_sway(tilt_deg, start_s, state.free_s, directed=directed))
    state.open, state.posture = tuple(going_on), known[-lasts_s:]
    return tuple(found)


def _sway(tilt_deg: NDArray[np.float64], start_s: int, end_s: int, *, directed: bool) -> Sway:
    centred = tilt_deg - tilt_deg.mean(axis=1, keepdims=True)
    square = np.square(centred)
    path = float(np.hypot(*np.diff(centred, axis=1)).sum())
    distance = float(np.sqrt(square.sum(axis=0)).mean())
    seconds = centred.shape[1] / SLOW_HZ
    forward, lateral = np.sqrt(square.mean(axis=1)).tolist()
    return Sway(
        start_ns=start_s * SECOND_NS,
        end_ns=end_s * SECOND_NS,
        rms_deg=float(np.sqrt(square.sum(axis=0).mean())),
        rms_forward_deg=forward if directed else None,
        rms_lateral_deg=lateral if directed else None,
        path_deg=path,
        frequency_hz=path / seconds / (2.0 * np.pi * max(distance, 1e-9)),
    )
