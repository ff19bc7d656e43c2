"""Packets of a Polar sensor captured elsewhere: any stream, and what the SDK's tests publish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_profiles.base import (
    ConfigurationError,
    DecodeError,
    Event,
    Note,
    StreamSettings,
)
from firmware_profiles.polar_decoder import PmdDecoder, StampedStream
from firmware_profiles.polar_frames import (
    ecg_microvolts,
    frame_stamp_ns,
    mag_calibration,
    signed_rows,
)
from firmware_profiles.polar_notes import command_note, settings_note
from firmware_profiles.polar_pmd import CONTROL_UUID, DATA_UUID, QUANTITY, Measurement

_ECG: Final = "ecg"
_ECG_HZ: Final = 130.0
_TIMES, _REFERENCE = "timestamp_reconstruction", "reference_samples"


@dataclass(slots=True)
class PolarCaptureDecoder:
    """Decodes packets to and from a sensor.

    kind: what a packet is when its bytes do not tell: "command", "settings_tlv",
    "reference_samples" (channels, resolution_bits), or "timestamp_reconstruction"
    (frame_timestamp_ns, n_samples; without bytes).
    """

    streams: PmdDecoder
    ecg: StampedStream | None
    kind: str
    config: Mapping[str, object]

    @property
    def settings(self) -> StreamSettings:
        return self.streams.settings

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        if self.kind == _TIMES:
            return [self._times()]
        if self.kind == _REFERENCE:
            bits, channels = self._number("resolution_bits", 16), self._number("channels", 3)
            return [Note("reading", {"values": signed_rows(data, bits, channels).tolist()})]
        if characteristic == CONTROL_UUID and self.kind == "command":
            return [command_note(data)]
        if characteristic == CONTROL_UUID and self.kind == "settings_tlv":
            return [settings_note(data)]
        if characteristic == DATA_UUID and self.ecg is not None and data[:1] == b"\0":
            return [self._ecg(self.ecg, data)]
        events = self.streams.decode(characteristic, data)
        status = mag_calibration(data) if characteristic == DATA_UUID else None
        return events if status is None else [*events, Note("reading", {"calibration": status})]

    def _ecg(self, stream: StampedStream, data: bytes) -> Note:
        stamp_ns, samples = frame_stamp_ns(data), ecg_microvolts(data)
        stream.place(stamp_ns, len(samples))
        return Note("reading", {"device_t_ns": stamp_ns, "unit": "uV", "samples": samples})

    def _times(self) -> Note:
        stamp_ns, n = self._number("frame_timestamp_ns", 0), self._number("n_samples", 1)
        stream = next(iter(self.streams.streams.values()))
        _, step_ns, _, _ = stream.place(stamp_ns, n)
        back_ns = np.floor(step_ns * np.arange(n - 1, -1, -1) + 0.5).astype(np.int64)
        return Note("reading", {"timestamps_ns": [stamp_ns - int(back) for back in back_ns]})

    def _number(self, key: str, default: int) -> int:
        try:
            number = int(str(self.config.get(key, default)))
        except ValueError:
            number = 0
        if not 0 < number < 2**63 or (key != "frame_timestamp_ns" and number > 1000):
            raise DecodeError(f"{key} in the configuration is {str(self.config.get(key))[:20]}")
        return number


def captured(config: Mapping[str, object]) -> PolarCaptureDecoder:
    """Keys: stream ("acc", "gyro", "mag" or "ecg"; all but the last when missing), rate_hz, factor,
    previous_timestamp_ns, kind. Raises ConfigurationError."""
    name = config.get("stream")
    is_ecg = str(name).lower() == _ECG
    found = tuple(Measurement) if name is None or is_ecg else (captured_measurement(name),)
    streams = {measurement: captured_stream(config) for measurement in found}
    ecg = captured_stream({"rate_hz": _ECG_HZ, **config}) if is_ecg else None
    return PolarCaptureDecoder(apart(streams), ecg, str(config.get("kind", "")), config)


def apart(streams: Mapping[Measurement, StampedStream]) -> PmdDecoder:
    """A decoder that gives each stream in blocks of its own."""
    rate_hz = next(iter(streams.values())).nominal_hz
    quantities = tuple(QUANTITY[measurement] for measurement in streams)
    return PmdDecoder(StreamSettings(rate_hz, quantities, None, None), streams)


def captured_stream(config: Mapping[str, object]) -> StampedStream:
    """A stream of packets that were captured elsewhere: config has rate_hz, factor and
    previous_timestamp_ns, all optional. Raises ConfigurationError."""
    try:
        rate_hz = float(str(config.get("rate_hz", 50)))
        factor = float(str(config.get("factor", 1)))
        previous = config.get("previous_timestamp_ns")
        previous_ns = None if previous is None else int(str(previous))
    except ValueError as error:
        raise ConfigurationError(
            f"config is not usable: {error}",
            'give for example {"stream": "acc", "rate_hz": 200, "factor": 1.0}',
        ) from error
    if not 0 < rate_hz < 1e5 or not 0 < factor < 1e6:
        raise ConfigurationError("rate_hz or factor is out of range", "give positive numbers")
    return StampedStream(rate_hz, factor, previous_ns, finds_loss="rate_hz" in config)


def captured_measurement(name: object) -> Measurement:
    """The measurement that config's "stream" names; raises ConfigurationError."""
    try:
        return Measurement[str(name).upper()]
    except KeyError:
        raise ConfigurationError(
            f"stream {str(name)[:20]!r} is unknown", "give acc, gyro, mag or ecg"
        ) from None
