"""What the pages read: results of the store laid out as local days, and what is so right now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

from analytics.dashboard.timers import posture_s
from analytics.day_reading import DayReading, read_day, read_days, read_lines
from analytics.export_request import Estimate, ExportRequest, estimate
from analytics.exposure.alerts import Present
from analytics.exposure.days import NS_PER_S, Day
from analytics.exposure.present import HOUR_NS, present
from analytics.exposure.summary import DayExposure, Exposure
from analytics.exposure.timeline import MINUTE_S, Timeline, timeline
from analytics.sample_window import SampleWindow, sample_window
from analytics.sign_reading import SignHistory, read_history
from analytics.store.base import Provenance, Result, ResultSpan, SensorSpan, Store
from analytics.store.clinic import Clinic

LIVE_S = 10.0
"""A second older than this is not "now" any more: batches come each second, and a worker that
is behind by more than this has a reason that should be seen."""
LOOK_BACK_NS = 2 * MINUTE_S * NS_PER_S
EVENT_KINDS = ("movement", "slouch_episode", "walking_bout")
COMPARED_DAYS = 7
KEPT_NS = 5 * NS_PER_S
SPELL_BACK_NS = 4 * HOUR_NS
"""A spell longer than this has crossed every limit that can be set."""
_NO_SECOND: dict[str, list[Any]] = {
    name: [None] for name in ("posture", "trunk_flexion_deg", "slouched", "worn")
}


@dataclass(frozen=True, slots=True)
class Now:
    """The latest known second of a wearer; None where that is not known."""

    age_s: float | None
    """age of that second; None when nothing was recorded in the last minutes"""
    posture: str | None
    flexion_deg: float | None
    slouched: bool | None
    worn: bool | None
    last_seen_ns: int | None
    """latest sample or result of any sensor"""
    seen_s: float | None
    """age of that"""
    battery_pct: int | None

    @property
    def behind(self) -> bool:
        """Samples arrive, but their analysis is late."""
        return not self.live and self.seen_s is not None and self.seen_s <= LIVE_S

    @property
    def live(self) -> bool:
        return self.age_s is not None and self.age_s <= LIVE_S


@dataclass(frozen=True, slots=True)
class Moment:
    """What has lasted until now."""

    at_ns: int
    present: Present
    line: Timeline
    """the last hours"""
    events: str
    """see `Readings.events`"""
    since_s: float = 0.0
    """how long ago that was"""

    def later(self, since_s: float) -> Moment:
        """The same some seconds later: what lasts has become longer."""

        def longer(spell_s: float | None) -> float | None:
            return spell_s + since_s if spell_s else spell_s

        now = replace(
            self.present,
            slouched_s=longer(self.present.slouched_s),
            walking_s=longer(self.present.walking_s),
        )
        return replace(self, present=now, since_s=since_s)

    def posture_s(self, posture: str | None) -> float | None:
        """For how long this posture has lasted."""
        lasts_s = None if posture is None else posture_s(self.line, posture)
        return None if lasts_s is None else lasts_s + self.since_s


class Readings:
    """Reads for the pages. Every method raises StoreError when the store cannot answer."""

    def __init__(self, store: Store, clinic: Clinic, clock_ns: Callable[[], int]) -> None:
        self._store = store
        self._clinic = clinic
        self.clock_ns = clock_ns
        self._moments: dict[str, Moment] = {}

    def today(self, zone: ZoneInfo) -> Day:
        return Day.at(self.clock_ns(), zone)

    def day(self, wearer: str, day: Day) -> DayReading:
        """One local day."""
        return read_day(self._store, wearer, day)

    def days(self, wearer: str, days: Sequence[Day]) -> list[DayExposure]:
        """Exposure of consecutive local days without their timelines; weeks are read quickly."""
        return read_days(self._store, wearer, days)

    def lines(self, wearer: str, days: Sequence[Day]) -> list[Timeline]:
        """The timelines of consecutive local days, for ribbons."""
        return read_lines(self._store, wearer, days)

    def before(self, wearer: str, today: Day) -> list[Exposure]:
        """The COMPARED_DAYS before today."""
        earlier = [today.plus(-n) for n in range(COMPARED_DAYS, 0, -1)]
        return [day.exposure for day in self.days(wearer, earlier)]

    def now(self, wearer: str) -> Now:
        """The last second of which anything is known, if it is recent."""
        now_ns = self.clock_ns()
        minutes = self._store.read_results(
            wearer, "timeline", now_ns - LOOK_BACK_NS, now_ns + NS_PER_S
        )
        latest: tuple[int, Mapping[str, Any], int] | None = None
        for minute in minutes:
            for second, worn in enumerate(minute.body["worn"]):
                at_ns = minute.start_ns + (second + 1) * NS_PER_S
                if worn is not None and (latest is None or at_ns > latest[0]):
                    latest = (at_ns, minute.body, second)
        seen = [span.last_ns for span in self._store.sensors(wearer)]
        seen += [latest[0]] if latest else []
        last_seen_ns = max(seen, default=None)
        at_ns, body, second = latest or (now_ns, _NO_SECOND, 0)
        return Now(
            age_s=max(0.0, (now_ns - at_ns) / NS_PER_S) if latest else None,
            posture=body["posture"][second],
            flexion_deg=body["trunk_flexion_deg"][second],
            slouched=body["slouched"][second],
            worn=body["worn"][second],
            last_seen_ns=last_seen_ns,
            seen_s=None if last_seen_ns is None else max(0.0, (now_ns - last_seen_ns) / NS_PER_S),
            battery_pct=self._battery_pct(wearer),
        )

    def events(self, wearer: str) -> str:
        """How many of each kind began in the last minutes, as a word: when it has changed, the
        counts of today have."""
        now_ns = self.clock_ns()
        since_ns = now_ns - now_ns % (MINUTE_S * NS_PER_S) - LOOK_BACK_NS
        found = [
            result
            for kind in EVENT_KINDS
            for result in self._store.read_results(wearer, kind, since_ns, now_ns + NS_PER_S)
        ]
        counts = Counter(
            f"{result.kind} {result.body.get('kind')} {result.body.get('prolonged')}"
            for result in found
        )
        return f"{since_ns:x}-{crc32(repr(sorted(counts.items())).encode()):x}"

    def sensors(self, wearer: str) -> list[SensorSpan]:
        """Sensors with samples."""
        return self._store.sensors(wearer)

    def estimate(self, request: ExportRequest) -> Estimate:
        """How much an export will hold, about."""
        return estimate(self._store, self._clinic, request)

    def provenances(self, wearer: str, start_ns: int, end_ns: int) -> list[Provenance]:
        """Which computations made the results."""
        return self._store.provenances(wearer, start_ns, end_ns)

    def result_spans(self, wearer: str) -> list[ResultSpan]:
        """Which kinds of results there are."""
        return self._store.result_spans(wearer)

    def results(self, wearer: str, kind: str, start_ns: int, end_ns: int) -> list[Result]:
        """Results of one kind that overlap the range."""
        return self._store.read_results(wearer, kind, start_ns, end_ns)

    def signs(self, wearer: str, days: Sequence[Day]) -> SignHistory:
        """Gait, breathing and sway over these consecutive days."""
        return read_history(self._store, wearer, days)

    def samples(
        self, wearer: str, sensor: str, start_ns: int, end_ns: int, *, points: int
    ) -> SampleWindow:
        """Raw samples, all of them or an envelope."""
        return sample_window(self._store, wearer, sensor, start_ns, end_ns, points=points)

    def moment(self, wearer: str, events: str) -> Moment:
        """The timers of this moment; up to KEPT_NS old, with the seconds since then added, unless
        there are other events."""
        now_ns = self.clock_ns()
        kept = self._moments.get(wearer)
        is_old = kept is None or not 0 <= now_ns - kept.at_ns < KEPT_NS
        if kept is None or is_old or kept.events != events:
            kept = self._read_moment(wearer, now_ns, events)
            self._moments = {
                name: other
                for name, other in self._moments.items()
                if 0 <= now_ns - other.at_ns < KEPT_NS
            } | {wearer: kept}
        return kept.later((now_ns - kept.at_ns) / NS_PER_S)

    def _read_moment(self, wearer: str, now_ns: int, events: str) -> Moment:
        start_ns = now_ns - SPELL_BACK_NS
        start_ns -= start_ns % NS_PER_S
        end_ns = now_ns - now_ns % NS_PER_S + NS_PER_S
        minutes = self._store.read_results(wearer, "timeline_runs", start_ns, end_ns)
        line = timeline(minutes, start_ns, end_ns)
        movements = self._store.read_results(wearer, "movement", now_ns - HOUR_NS, now_ns)
        return Moment(
            at_ns=now_ns,
            present=present(line, movements, now_ns=now_ns, last_sample_ns=None, battery_pct=None),
            line=line,
            events=events,
        )

    def _battery_pct(self, wearer: str) -> int | None:
        """The emptiest of the wearer's sensors."""
        known = [
            sensor.status.battery_pct
            for sensor in self._clinic.sensors(wearer)
            if sensor.status is not None and sensor.status.battery_pct is not None
        ]
        return min(known, default=None)
