"""What is known of now: exact every EVERY_S, and since then by a glance at the newest seconds.

Three times a minute, at the outlook's own seconds of it, everything that is still open is computed
as if the stream had ended there. Between two such marks only the rows of the new seconds and the
movements that ended since then are told, from the newest minute, in the posture that the mark
found: bouts and episodes wait for the next mark. One more is made when a slouch that goes on has
lasted long enough to count, or a walk too long. Where the wearer has been calm for a while,
nothing but the angle is looked at. So a second costs the same however much is open, and what is
told depends on the samples alone, not on when it is looked.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from analytics.block_findings import BlockState
from analytics.detect.findings import SECOND_NS, Findings, Movement, Posture, Timeline, join
from analytics.detect.interpret import PostureState, Reading
from analytics.detect.observe import glance
from analytics.detect.path import State
from analytics.detect.slouch import SlouchState
from analytics.open_block import OpenBlock
from analytics.pipeline import Pipeline
from analytics.segment import LEAD_S, Segment
from analytics.signal.calm import calm_seconds, direction
from analytics.signal.frames import Readings
from analytics.signal.wear import still_seconds, worn_seconds

EVERY_S: Final = 20
"""So late may the end of a bout or an episode be told; rarer costs as much: the glances get
longer."""
DUE_S: Final = 2
"""The last seconds of a stretch may look different once what follows is known."""
BACK_S: Final = 30
"""The glance begins so long before the mark: a movement over it is seen whole."""
CALM_S: Final = 10
"""So long after the last stir the posture is settled: both rests of the slowest rise are over."""
OVER_S: Final = 10
"""What ended so shortly before the mark is told by the glance, which knows what followed."""
_STATES: Final = {
    Posture.SITTING: State.SIT,
    Posture.STANDING: State.STAND,
    Posture.WALKING: State.STAND,
    **{posture: State.LIE for posture in Posture if posture.name.startswith("LYING")},
}


@dataclass(frozen=True, slots=True)
class Look:
    """What would follow the final findings, as far as it is known."""

    findings: Findings
    mark_ns: int
    since_ns: int
    """What begins before stays as it is until the next mark: mark_ns, or BACK_S before it when a
    movement over the mark is told anew."""
    fresh: bool
    """True when it is not what the last look told."""


@dataclass(frozen=True, slots=True)
class _Glance:
    """What happened since the mark."""

    line: Timeline
    """Rows from the mark on."""
    movements: tuple[Movement, ...]
    """Those that ended at most OVER_S before the mark, or after it."""


@dataclass(frozen=True, slots=True, eq=False)
class _Mark:
    """The present as it was computed last."""

    at_s: int
    next_s: int
    """First second that was not final enough to be observed then."""
    segment: Segment
    """The one it was computed of."""
    ahead: Segment
    """Its copy, ended at at_s."""
    findings: Findings | None
    due_s: tuple[int, ...]
    """Seconds at which what was open at the mark counts, if it goes on until then."""

    @property
    def line(self) -> Timeline | None:
        """Rows that end at the mark."""
        line = self.findings.timelines[-1] if self.findings and self.findings.timelines else None
        return line if line is not None and line.first_s + len(line) == self.at_s else None


class Outlook:
    """Looks at one pipeline. Not thread-safe."""

    def __init__(self, pipeline: Pipeline, second: int) -> None:
        """second: at which, of EVERY_S, everything is computed; other wearers have others, so
        that they do not all cost at once."""
        self._pipeline = pipeline
        self._second = second % EVERY_S
        self._open: OpenBlock | None = None
        self._regular: _Mark | None = None
        """The last one of those that are made every EVERY_S."""
        self._mark: _Mark | None = None
        """The last one."""
        self._glance: tuple[_Mark, int, _Glance] | None = None
        """The last one that waits for something to happen, its mark and its end."""
        self._reached_back = False
        """Whether a glance since the mark told a movement over it anew."""

    def look(self) -> Look | None:
        """The present; None when nothing is open."""
        segment = self._pipeline.segment
        if segment.end_s is None:
            self._regular = self._mark = None
            found = self._pipeline.provisional()
            return None if found is None else Look(found, found.end_ns, found.end_ns, fresh=True)
        mark = self._regular = self._at(
            segment, segment.end_s - (segment.end_s - self._second) % EVERY_S, self._regular
        )
        due_s = [second for second in mark.due_s if second <= segment.end_s]
        if due_s:
            mark = self._at(segment, max(due_s), self._mark)
        fresh = mark is not self._mark
        if fresh:
            self._mark, self._reached_back = mark, False
        found = join(self._parts(segment, mark))
        if found is None:
            return None
        since_s = mark.at_s - BACK_S if self._reached_back else mark.at_s
        return Look(found, mark.at_s * SECOND_NS, since_s * SECOND_NS, fresh)

    def _at(self, segment: Segment, at_s: int, known: _Mark | None) -> _Mark:
        """A mark, the one that is known if it is that."""
        if known is not None and _holds(known, segment, at_s):
            return known
        if self._open is None or not self._open.is_of(segment):
            self._open = OpenBlock(segment)
        ahead = self._open.ended_at(at_s)
        ahead.run_out()
        due_s = tuple(s for s in _due(ahead) if at_s < s <= at_s + EVERY_S)
        found = self._pipeline.if_ended(ahead)
        return _Mark(at_s, segment.next_s, segment, ahead, found, due_s)

    def _parts(self, segment: Segment, mark: _Mark) -> list[Findings]:
        """The mark's, then of a glance until the wearer has been calm for a while, then the same
        posture."""
        parts = [] if mark.findings is None else [mark.findings]
        newest = segment.newest(mark.at_s - BACK_S - LEAD_S)
        until_s, before = newest.end_s, mark.line
        if before is not None:
            stirred = np.flatnonzero(~calm_seconds(newest, mark.ahead.bias.radps))
            last_s = newest.first_s + int(stirred[-1]) + 1 if len(stirred) else newest.first_s
            until_s = min(until_s, max(mark.at_s, last_s + CALM_S))
        if until_s > mark.at_s:
            seen = self._glance_at(segment, mark, newest, until_s)
            if mark.findings is not None:
                movements, anew = _told(mark, mark.findings.movements, seen.movements)
                parts = [replace(mark.findings, movements=movements)]
                self._reached_back |= anew
                parts.append(_of_rows(seen.line))
            else:
                parts.append(replace(_of_rows(seen.line), movements=seen.movements))
            before = seen.line
        if before is not None and until_s < newest.end_s:
            parts.append(_of_rows(_carried(segment, mark, before, newest.part(until_s, None))))
        return parts

    def _glance_at(self, segment: Segment, mark: _Mark, newest: Readings, until_s: int) -> _Glance:
        if self._glance is not None and self._glance[:2] == (mark, until_s):
            return self._glance[2]
        seen = _glance(segment, mark, newest.part(newest.first_s, until_s))
        # the newest second may have begun only
        self._glance = (mark, until_s, seen) if until_s < newest.end_s else None
        return seen


def _due(ahead: Segment) -> list[int]:
    """When an open slouch becomes an episode and an open walk a prolonged one, as far as they are
    not yet."""
    p, state = ahead.parameters, ahead.state
    found = []
    if state.slouch.start_s is not None:
        found.append(state.slouch.start_s + 60.0 * p.slouch.min_episode_min)
    walk_s = state.bouts.awaited_since_s(p.walking)
    if walk_s is not None:
        found.append(walk_s + 60.0 * p.walking.prolonged_min)
    return [math.ceil(second) + DUE_S for second in found]


def _of_rows(line: Timeline) -> Findings:
    end_ns = (line.first_s + len(line)) * SECOND_NS
    return Findings(line.first_s * SECOND_NS, end_ns, timelines=(line,))


def _told(
    mark: _Mark, known: Iterable[Movement], seen: Iterable[Movement]
) -> tuple[tuple[Movement, ...], bool]:
    """Of the mark's movements those that were long over then, and the glance's since then; and
    whether one that began before the mark is told anew."""
    cut_ns = (mark.at_s - OVER_S) * SECOND_NS
    over = [m for m in known if (m.start_ns + m.end_ns) // 2 < cut_ns]
    recent = [m for m in over if m.end_ns > cut_ns - BACK_S * SECOND_NS]
    since = [m for m in seen if m.end_ns > cut_ns and not any(_overlap(m, o) for o in recent)]
    anew = set(since) ^ {m for m in known if (m.start_ns + m.end_ns) // 2 >= cut_ns}
    return (*over, *since), any(m.start_ns < mark.at_s * SECOND_NS for m in anew)


def _overlap(a: Movement, b: Movement) -> bool:
    return a.start_ns < b.end_ns and b.start_ns < a.end_ns


def _holds(mark: _Mark, segment: Segment, at_s: int) -> bool:
    same = mark.segment is segment and mark.next_s == segment.next_s
    return same and mark.at_s == at_s


def _glance(segment: Segment, mark: _Mark, newest: Readings) -> _Glance:
    """From readings of whole seconds that begin before the mark."""
    frames = segment.frames(newest, copy.copy(mark.ahead.bias)).part(mark.at_s - BACK_S, None)
    new = max(0, mark.at_s - frames.first_s)
    p, site, line = segment.parameters, segment.context.site, mark.line
    seen = glance(frames, site=site, parameters=p)
    state, slouching = _state_at(mark, seen.first_s)
    worn = np.ones(seen.seconds, bool)
    if line is not None and line.posture[-1] == Posture.NOT_WORN:
        worn[new:] = worn_seconds(still_seconds(seen.up_by_second, p.wear)[new:], True, p.wear)
    seen, reading = segment.reader.read(seen, seen.first_s + seen.seconds, state)
    line = segment.reader.timeline(seen.first_s, seen.up_by_second, reading, worn, slouching)
    movements = tuple(m for m in reading.movements if worn[m.start_ns // SECOND_NS - seen.first_s])
    return _Glance(line.part(new, seen.seconds), movements)


def _carried(segment: Segment, mark: _Mark, before: Timeline, calm: Readings) -> Timeline:
    """Rows of calm seconds: the posture of the last row before, and the angle of each second."""
    posture, n = before.posture[-1], calm.seconds
    rotation, slip = segment.context.calibration.rotation, mark.ahead.state.neutral.rotation
    up = np.einsum("ij,jk->ik", rotation if slip is None else slip @ rotation, direction(calm))
    reading = Reading(np.full(n, posture), np.full(n, before.probability[-1]), ())
    worn = np.full(n, posture != Posture.NOT_WORN)
    slouching = SlouchState(slouched=bool(before.slouched[-1] == 1))
    return segment.reader.timeline(calm.first_s, up, reading, worn, slouching)


def _state_at(mark: _Mark, first_s: int) -> tuple[BlockState, SlouchState]:
    """What the mark knew of the second before first_s."""
    known = mark.ahead.state
    state = BlockState(
        known.neutral,
        PostureState(walking_up=known.posture.walking_up, walking_s=known.posture.walking_s),
    )
    slouching, line = SlouchState(), mark.line
    if line is not None and line.first_s < first_s:
        row = first_s - line.first_s - 1
        state.posture.state = _STATES.get(Posture(int(line.posture[row])))
        others = np.flatnonzero(line.posture[: row + 1] != line.posture[row])
        state.posture.lasted_s = row - int(others[-1]) if len(others) else row + 1
        state.posture.lying = state.posture.state is State.LIE
        state.posture.rhythm_s = max(0, known.posture.rhythm_s - (mark.at_s - first_s))
        slouching.slouched = bool(line.slouched[row] == 1)
    return state, slouching
