"""Notifications of a Polar sensor -> events: sample times, losses, ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import (
    DecodeError,
    Event,
    SampleBlock,
    SampleRun,
    StreamEnded,
    StreamSettings,
)
from firmware_profiles.polar_frames import decode_raw_frames, decode_samples, parse_frame
from firmware_profiles.polar_notes import control_note
from firmware_profiles.polar_pmd import CONTROL_UUID, DATA_UUID, ENDED, QUANTITY, Measurement
from firmware_profiles.stamps import LONGEST_GAP_NS, Passage, passage
from firmware_profiles.standard import standard_events

_RATE_TOLERANCE: Final = 0.1
"""Beyond this the step between two frames says nothing about the rate; units are 1-2 % off."""


@dataclass(slots=True)
class StampedStream:
    """One measurement: `nominal_hz` as started, `factor` as told by the sensor, and its timing.

    Samples lie evenly between the previous frame's stamp (exclusive) and their own frame's
    (inclusive), as in Polar's SDK; before the first frame and after a loss they lie as densely as
    before.
    """

    nominal_hz: float
    factor: float = 1.0
    last_ns: int | None = None
    """Stamp of the newest frame."""
    finds_loss: bool = True
    """Off when the rate is not known, as it may be for captured packets."""
    _step_ns: float | None = None
    """True sample distance, from the newest frame without a loss."""

    def place(self, stamp_ns: int, n: int) -> tuple[int, float, int, bool]:
        """(time of the first sample, step in ns, samples lost before, restarted) for a frame of n
        samples whose last one was taken at stamp_ns."""
        nominal_ns = 1e9 / self.nominal_hz
        step_ns = self._step_ns or nominal_ns
        verdict = passage(self.last_ns, stamp_ns)
        lost = 0
        if verdict is Passage.FORWARD and self.last_ns is not None:
            passed_ns = stamp_ns - self.last_ns
            lost = round(passed_ns / step_ns) - n
            if 2 * lost < n or not self.finds_loss:  # frames get lost whole
                lost = 0
                step_ns = passed_ns / n
                if abs(step_ns / nominal_ns - 1) < _RATE_TOLERANCE:
                    self._step_ns = step_ns
        elif verdict is Passage.RESTART:
            step_ns, self._step_ns = nominal_ns, None
        if verdict is not Passage.REPEAT:
            self.last_ns = stamp_ns
        first_ns = stamp_ns - int((n - 1) * step_ns + 0.5)
        return first_ns, step_ns, lost, verdict is Passage.RESTART

    def place_run(
        self, stamps_ns: NDArray[np.int64], n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
        """(times of the first samples, steps) of frames of n samples that follow on each other at
        about the nominal rate; None, with nothing changed, when they do not."""
        if self.last_ns is None:
            return None
        passed_ns = np.diff(stamps_ns, prepend=self.last_ns)
        if (passed_ns <= 0).any() or (passed_ns > LONGEST_GAP_NS).any():
            return None
        nominal_ns = 1e9 / self.nominal_hz
        steps_ns = passed_ns / n
        before_ns = np.concatenate(([self._step_ns or nominal_ns], steps_ns[:-1]))
        is_lost = 2 * (np.rint(passed_ns / before_ns) - n) >= n
        is_near = np.abs(steps_ns / nominal_ns - 1) < _RATE_TOLERANCE
        if not is_near.all() or (self.finds_loss and is_lost.any()):
            return None
        self.last_ns, self._step_ns = int(stamps_ns[-1]), float(steps_ns[-1])
        return stamps_ns - ((n - 1) * steps_ns + 0.5).astype(np.int64), steps_ns


@dataclass(slots=True)
class PmdDecoder:
    """Decodes what a Polar sensor notifies while the given measurements are streaming."""

    settings: StreamSettings
    streams: Mapping[Measurement, StampedStream] = field(default_factory=dict)

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        if characteristic == DATA_UUID:
            return [self._block(data)]
        if characteristic == CONTROL_UUID:
            return [self._control(data)]
        return standard_events(characteristic, data)

    def decode_run(self, characteristic: str, packets: Sequence[bytes]) -> SampleRun | None:
        """Raw frames, as an H10 sends them; compressed ones differ in length."""
        if characteristic != DATA_UUID:
            return None
        found = decode_raw_frames(packets, self._factor)
        if found is None:
            return None
        measurement, stamps_ns, samples = found
        n = len(samples.values) // len(packets)
        timing = self.streams[measurement].place_run(stamps_ns, n)
        if timing is None:
            return None
        quantity, count = QUANTITY[measurement], len(packets)
        lsb = {} if samples.lsb is None else {quantity: samples.lsb}
        return SampleRun(
            np.arange(count),
            n,
            *timing,
            {quantity: samples.values},
            lsb,
            np.zeros(count, np.int64),
        )

    def _factor(self, measurement: Measurement) -> float | None:
        """None when the stream was not started or sends its first frame."""
        stream = self.streams.get(measurement)
        return None if stream is None or stream.last_ns is None else stream.factor

    def _block(self, data: bytes) -> SampleBlock:
        frame = parse_frame(data)
        stream = self.streams.get(frame.measurement)
        if stream is None:
            raise DecodeError(f"{frame.measurement.name} was not started")
        samples = decode_samples(frame, stream.factor)
        n = len(samples.values)
        first_ns, step_ns, lost, restarted = stream.place(frame.stamp_ns, n)
        quantity = QUANTITY[frame.measurement]
        lsb = {} if samples.lsb is None else {quantity: samples.lsb}
        return SampleBlock(n, first_ns, step_ns, {quantity: samples.values}, lsb, lost, restarted)

    def _control(self, data: bytes) -> Event:
        if data[:1] == bytes((ENDED,)):
            ended = [m.name for m in self.streams if m in data[1:]]
            if ended:
                return StreamEnded(f"the sensor ended {', '.join(ended)}")
        return control_note(data)
