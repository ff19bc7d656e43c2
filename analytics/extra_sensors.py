"""Extra sensors of a wearer (thigh, wrist, pelvis), a local day at a time: one stored result.

Walks are those that the trunk sensor's results tell of, and nothing but their samples is read, up
to half an hour of them. An extra sensor is put on anew every day, so its upright reference is a
standing hold of the same day, of whatever sensor it was told. The same samples and records give
the same result, however often it is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analytics.detect.findings import SECOND_NS
from analytics.detect.guided import GuidedSamples, GuidedStep, guide
from analytics.detect.limbs import LIMBS, Neutral, Samples, neutral_of
from analytics.detect.parameters import Parameters
from analytics.exposure.days import Day
from analytics.limbs import TRUNK, SteadyWalk, signs_of_limbs
from analytics.result import sign_body
from analytics.sensor_context import SensorContext
from analytics.signal.calibration import ForwardSource, sensor_axis
from analytics.store.archive import checksum_of_batches
from analytics.store.base import MAX_BATCH_NS, Result, Store
from analytics.store.clinic import Clinic
from analytics.store.records import Sensor
from analytics.trunk_sensor import trunk_sensor

KIND: Final = "extra_sensors"
MOST_NS: Final = 1800 * SECOND_NS
"""Walking that is looked at, the longest walks first: more than a thousand strides say no more."""
_NEEDED: Final = {"accel", "gyro"}


def place_of(day: Day) -> tuple[int, int]:
    """Where in a day its result begins: [start, end), in which nothing else begins; a whole
    microsecond, as many readers of an export have no shorter ones."""
    return day.start_ns + 1000, day.start_ns + 1001


def extra_sensors(clinic: Clinic, wearer: str) -> list[Sensor]:
    """Those that tell about limbs, whether or not they have samples."""
    trunk = trunk_sensor(clinic, wearer)
    return [
        sensor
        for sensor in clinic.sensors(wearer)
        if sensor.birth is not None
        and sensor.birth.placement in LIMBS
        and sensor.sensor != trunk
        and trunk is not None
    ]


@dataclass(frozen=True, slots=True)
class ExtraDay:
    """A local day of a wearer, as the store and the clinic know it now."""

    store: Store
    clinic: Clinic
    wearer: str
    day: Day

    def result(
        self, contexts: Sequence[tuple[int, SensorContext]], parameters: Parameters
    ) -> Result | None:
        """What the extra sensors say; None when none of them has samples of the day.

        contexts: of the trunk's sensor, each with the time from which it counts. Raises StoreError.
        """
        worn = self._worn()
        if not worn:
            return None
        said: dict[str, bool | str] = {
            placement: True if _measures(sensor) else "gyroscope"
            for placement, sensor in worn.items()
        }
        names = [placement for placement in LIMBS if said.get(placement) is True]
        reader = _Reader(self, worn, parameters)
        walks = self._walks(contexts)
        signs, silent = signs_of_limbs(
            walks, reader.samples, reader.neutral, names, parameters.limbs
        )
        body = {
            "signs": [sign_body(sign) for sign in signs],
            "observable": said | silent,
            "walked_s": round(sum(walk.used_ns for walk in walks) / SECOND_NS, 1),
        }
        return Result(KIND, place_of(self.day)[0], self.day.end_ns, body)

    def basis(self) -> str:
        """What the answer rests on besides the trunk's sensor, in a text that changes with it."""
        span = self.day.start_ns - MAX_BATCH_NS, self.day.end_ns
        sensors = extra_sensors(self.clinic, self.wearer)
        sums = [
            checksum_of_batches(self.store.read_batches(self.wearer, sensor.sensor, *span))
            for sensor in sensors
        ]
        births = [
            (sensor.sensor, sensor.birth and (sensor.birth.placement, sensor.birth.axes))
            for sensor in sensors
        ]
        return f"{births} {sums} {_standings(self.clinic, self.wearer, self.day)}" if sums else ""

    def _worn(self) -> dict[str, Sensor]:
        """One a placement: of several the one that was heard most on that day."""
        start_ns, end_ns = self.day.start_ns, self.day.end_ns
        heard = {
            span.sensor
            for span in self.store.sensors(self.wearer)
            if span.first_ns < end_ns and span.last_ns >= start_ns
        }
        found: dict[str, list[Sensor]] = {}
        for sensor in extra_sensors(self.clinic, self.wearer):
            if sensor.birth is not None and sensor.sensor in heard:
                found.setdefault(sensor.birth.placement, []).append(sensor)

        def batches(sensor: Sensor) -> int:
            return len(self.store.read_batches(self.wearer, sensor.sensor, start_ns, end_ns))

        return {
            placement: group[0] if len(group) == 1 else max(group, key=batches)
            for placement, group in found.items()
        }

    def _walks(self, contexts: Sequence[tuple[int, SensorContext]]) -> list[SteadyWalk]:
        """The longest walks with steady strides, in the order of time."""
        found = []
        day = self.day
        for bout in self.store.read_results(self.wearer, "walking_bout", day.start_ns, day.end_ns):
            times = [piece["stride_time_s"] for piece in bout.body.get("gait") or ()]
            valid = [context for from_ns, context in contexts if from_ns <= bout.start_ns]
            context = valid[-1] if valid else contexts[0][1]
            if times and context.has_gyro and bout.start_ns >= day.start_ns:
                stride_s = float(np.median(times))
                found.append(SteadyWalk(bout.start_ns, bout.end_ns, stride_s, context))
        found.sort(key=lambda walk: walk.used_ns, reverse=True)
        reached = np.cumsum([walk.used_ns for walk in found])
        chosen = found[: int(np.searchsorted(reached, MOST_NS)) + 1]
        return sorted(chosen, key=lambda walk: walk.start_ns)


def _measures(sensor: Sensor) -> bool:
    return sensor.birth is not None and set(sensor.birth.quantities) >= _NEEDED


@dataclass(frozen=True, slots=True)
class _Standing:
    """When the wearer stood upright and quiet; and bent forward after it, where that was asked."""

    stand_ns: tuple[int, int]
    bend_ns: tuple[int, int] | None = None


class _Reader:
    """Samples and upright references of one wearer's day, by placement."""

    def __init__(self, of: ExtraDay, worn: dict[str, Sensor], parameters: Parameters) -> None:
        self._store, self._wearer, self._parameters = of.store, of.wearer, parameters
        self._worn = worn
        self._sensors = {placement: sensor.sensor for placement, sensor in worn.items()}
        self._sensors[TRUNK] = trunk_sensor(of.clinic, of.wearer) or ""
        self._standings = _standings(of.clinic, of.wearer, of.day)
        self._upright = cache(self._neutral_of)

    def samples(self, placement: str, start_ns: int, end_ns: int) -> Samples:
        """Of one sensor, NaN where a quantity is missing."""
        found = self._store.read_samples(self._wearer, self._sensors[placement], start_ns, end_ns)
        missing = np.full((len(found), 3), np.nan)
        accel, gyro = (
            found.values.get(quantity, missing).astype(np.float64) for quantity in ("accel", "gyro")
        )
        return found.t_ns, accel, gyro

    def neutral(self, placement: str, at_ns: int) -> Neutral | None:
        """Of the latest standing before a time; before the first one, the first counts."""
        seen = [(s, self._upright(placement, s)) for s in self._standings]
        known = [(s.stand_ns[0], neutral) for s, neutral in seen if neutral is not None]
        before = [neutral for from_ns, neutral in known if from_ns <= at_ns]
        return before[-1] if before else (known[0][1] if known else None)

    def _neutral_of(self, placement: str, standing: _Standing) -> Neutral | None:
        _, accel, gyro = self.samples(placement, *standing.stand_ns)
        return neutral_of(accel, gyro, self._forward(placement, standing))

    def _forward(self, placement: str, standing: _Standing) -> NDArray[np.float64] | None:
        """As the sensor's birth says; the pelvis tells it in a bend, too."""
        birth = self._worn[placement].birth
        axes: dict[str, Any] = dict((birth.axes if birth else None) or {})
        if axes.get("forward"):
            return sensor_axis(axes["forward"])
        if placement != "pelvis" or standing.bend_ns is None or birth is None:
            return None
        steps = {GuidedStep.STAND: standing.stand_ns, GuidedStep.BEND: standing.bend_ns}
        found = guide(
            {step: GuidedSamples(*self.samples(placement, *span)) for step, span in steps.items()},
            rate_hz=birth.rate_hz,
            axes=axes,
            placement=placement,
            parameters=self._parameters,
        ).calibration
        if found is None or found.forward is not ForwardSource.BEND:
            return None
        ahead: NDArray[np.float64] = found.rotation[0]
        return ahead


def _standings(clinic: Clinic, wearer: str, day: Day) -> list[_Standing]:
    """Of any of the wearer's sensors on that day, in the order of time."""
    found = [
        _Standing((hold.start_ns, hold.end_ns))
        for hold in clinic.holds(wearer)
        if hold.posture == "standing"
    ]
    for session in clinic.calibrations(wearer):
        spans = {
            step.step: (step.start_ns, step.end_ns)
            for step in session.steps
            if step.passed and step.step in {GuidedStep.STAND, GuidedStep.BEND}
        }
        if GuidedStep.STAND in spans:
            found.append(_Standing(spans[GuidedStep.STAND], spans.get(GuidedStep.BEND)))
    inside = [s for s in found if day.start_ns <= s.stand_ns[0] < day.end_ns]
    return sorted(inside, key=lambda s: s.stand_ns)
