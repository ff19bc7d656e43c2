"""What the detectors answer: a timeline by the second and a list per kind of episode.

Times are integer nanoseconds of the stream's own clock (UTC in the worker, time since the start for
a file). None and NaN mean "not known"; they never mean zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analytics.detect.gait import WalkGait
from analytics.signal.neutral import NeutralShift

SECOND_NS: Final = 1_000_000_000


class Posture(IntEnum):
    """Posture of a second; the lower-case name is the word used in results."""

    UNKNOWN = 0
    NOT_WORN = 1
    SITTING = 2
    STANDING = 3
    LYING_SUPINE = 4
    LYING_PRONE = 5
    LYING_LEFT = 6
    LYING_RIGHT = 7
    WALKING = 8

    @property
    def word(self) -> str:
        """The word used in results."""
        return self.name.lower()


class MovementKind(StrEnum):
    """Kinds of movement."""

    SIT_TO_STAND = "sit_to_stand"
    STAND_TO_SIT = "stand_to_sit"
    SIT_TO_LIE = "sit_to_lie"
    LIE_TO_SIT = "lie_to_sit"
    STAND_TO_LIE = "stand_to_lie"
    LIE_TO_STAND = "lie_to_stand"
    BED_ROLL = "bed_roll"
    SQUAT = "squat"
    LATERAL_BEND = "lateral_bend"
    TRUNK_ROTATION = "trunk_rotation"
    FORWARD_BEND = "forward_bend"


@dataclass(frozen=True, slots=True)
class Timeline:
    """One row per second from `first_s` on; a row of a gap is unknown and NaN."""

    first_s: int
    """Second number: row i covers [first_s + i, first_s + i + 1) seconds of the stream's clock."""
    posture: NDArray[np.int8]
    """(n,) Posture values."""
    probability: NDArray[np.float32]
    """(n,) probability of that posture, NaN where not known."""
    flexion_deg: NDArray[np.float32]
    """(n,) forward positive, from the neutral; NaN where not known."""
    lateral_deg: NDArray[np.float32]
    """(n,) to the wearer's right positive; NaN where not known."""
    slouched: NDArray[np.int8]
    """(n,) 1 slouched, 0 not, -1 not known or not applicable."""
    worn: NDArray[np.int8]
    """(n,) 1 worn, 0 not worn, -1 no data."""

    def __len__(self) -> int:
        return len(self.posture)

    def part(self, start: int, stop: int) -> Timeline:
        """Rows start .. stop - 1."""
        return Timeline(
            self.first_s + start,
            self.posture[start:stop],
            self.probability[start:stop],
            self.flexion_deg[start:stop],
            self.lateral_deg[start:stop],
            self.slouched[start:stop],
            self.worn[start:stop],
        )


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement."""

    kind: MovementKind
    start_ns: int
    end_ns: int
    direction: str | None = None
    """left or right, seen from the wearer; None where it has none or is not known."""
    peak_deg: float | None = None
    """Largest angle: of a bend, a turn or a roll its size, else how far the trunk turned away from
    where it was."""
    confidence: float | None = None
    """0 .. 1."""
    peak_deg_s: float | None = None
    """Largest speed of turning."""


@dataclass(frozen=True, slots=True)
class SlouchEpisode:
    """Slouched sitting that lasted at least the personal minimum."""

    start_ns: int
    end_ns: int
    mean_deg: float
    dose: float
    """Leaky dose at the end of the episode, in minutes of slouching; see detect.slouch."""
    minutes: float
    """Minutes beyond the threshold inside the episode."""
    minutes_low: float
    """The same with the threshold 3 degrees higher."""
    minutes_high: float
    """The same with the threshold 3 degrees lower."""


@dataclass(frozen=True, slots=True)
class WalkingBout:
    """Walking without a longer break."""

    start_ns: int
    end_ns: int
    step_ns: NDArray[np.int64]
    """(n,) foot contacts."""
    cadence_spm: float | None
    step_regularity: float | None
    """Autocorrelation at one step, 0 .. 1."""
    prolonged: bool = False
    gait: tuple[WalkGait, ...] = ()
    """Steady, straight walking in it, in pieces."""


@dataclass(frozen=True, slots=True)
class Breathing:
    """Quiet breathing, at most a minute of it."""

    start_ns: int
    end_ns: int
    breaths_per_min: float
    confidence: float
    """Autocorrelation at one breath, 0 .. 1."""
    posture: Posture
    """The wearer's, as far as it is known."""


@dataclass(frozen=True, slots=True)
class Sway:
    """Half a minute of quiet standing."""

    start_ns: int
    end_ns: int
    rms_deg: float
    """RMS of the trunk's tilt about its mean."""
    rms_forward_deg: float | None
    rms_lateral_deg: float | None
    """Its two directions; None where forward is not known."""
    path_deg: float
    """Length of the way that the tilt goes."""
    frequency_hz: float
    """Frequency of circling that would make that way."""


Item = Movement | SlouchEpisode | WalkingBout | Breathing | Sway


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that starts in [start_ns, end_ns)."""

    start_ns: int
    end_ns: int
    timelines: tuple[Timeline, ...] = ()
    """In order, without overlap; between two of them nothing was recorded."""
    movements: tuple[Movement, ...] = ()
    slouch_episodes: tuple[SlouchEpisode, ...] = ()
    walking_bouts: tuple[WalkingBout, ...] = ()
    breathing: tuple[Breathing, ...] = ()
    sway: tuple[Sway, ...] = ()
    neutral_shifts: tuple[NeutralShift, ...] = ()
    """By the second from which they are corrected."""

    def since(self, start_ns: int) -> Findings:
        """The part that starts at or after `start_ns` (a multiple of a second)."""
        first_s = -(-start_ns // SECOND_NS)
        timelines = (t.part(max(0, first_s - t.first_s), len(t)) for t in self.timelines)
        return replace(
            self,
            start_ns=max(start_ns, self.start_ns),
            timelines=tuple(t for t in timelines if len(t)),
            movements=tuple(m for m in self.movements if m.start_ns >= start_ns),
            slouch_episodes=tuple(e for e in self.slouch_episodes if e.start_ns >= start_ns),
            walking_bouts=tuple(b for b in self.walking_bouts if b.start_ns >= start_ns),
            breathing=tuple(b for b in self.breathing if b.start_ns >= start_ns),
            sway=tuple(s for s in self.sway if s.start_ns >= start_ns),
            neutral_shifts=tuple(n for n in self.neutral_shifts if n.corrected_s >= first_s),
        )

    def before(self, end_ns: int) -> Findings:
        """The part that starts before `end_ns` (a multiple of a second)."""
        end_s = -(-end_ns // SECOND_NS)
        timelines = (t.part(0, max(0, end_s - t.first_s)) for t in self.timelines)
        return replace(
            self,
            end_ns=min(end_ns, self.end_ns),
            timelines=tuple(t for t in timelines if len(t)),
            movements=tuple(m for m in self.movements if m.start_ns < end_ns),
            slouch_episodes=tuple(e for e in self.slouch_episodes if e.start_ns < end_ns),
            walking_bouts=tuple(b for b in self.walking_bouts if b.start_ns < end_ns),
            breathing=tuple(b for b in self.breathing if b.start_ns < end_ns),
            sway=tuple(s for s in self.sway if s.start_ns < end_ns),
            neutral_shifts=tuple(n for n in self.neutral_shifts if n.corrected_s < end_s),
        )


def join(parts: Iterable[Findings]) -> Findings | None:
    """Consecutive findings as one; None when there are none."""
    found = list(parts)
    if not found:
        return None
    timelines: list[list[Timeline]] = []
    for timeline in (t for f in found for t in f.timelines):
        last = timelines[-1][-1] if timelines else None
        if last is not None and last.first_s + len(last) == timeline.first_s:
            timelines[-1].append(timeline)
        else:
            timelines.append([timeline])
    return Findings(
        start_ns=found[0].start_ns,
        end_ns=found[-1].end_ns,
        timelines=tuple(_joined(run) for run in timelines),
        movements=tuple(sorted((m for f in found for m in f.movements), key=_start)),
        slouch_episodes=tuple(sorted((e for f in found for e in f.slouch_episodes), key=_start)),
        walking_bouts=tuple(sorted((b for f in found for b in f.walking_bouts), key=_start)),
        breathing=tuple(sorted((b for f in found for b in f.breathing), key=_start)),
        sway=tuple(sorted((s for f in found for s in f.sway), key=_start)),
        neutral_shifts=tuple(n for f in found for n in f.neutral_shifts),
    )


def _start(item: Item) -> int:
    return item.start_ns


def _joined(run: list[Timeline]) -> Timeline:
    return Timeline(
        run[0].first_s,
        np.concatenate([t.posture for t in run]),
        np.concatenate([t.probability for t in run]),
        np.concatenate([t.flexion_deg for t in run]),
        np.concatenate([t.lateral_deg for t in run]),
        np.concatenate([t.slouched for t in run]),
        np.concatenate([t.worn for t in run]),
    )
