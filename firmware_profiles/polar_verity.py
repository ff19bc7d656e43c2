"""Polar Verity Sense: acceleration and rotation from an optical pod, put together."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from firmware_profiles.base import (
    Advertisement,
    ConfigurationError,
    Event,
    ProfileInfo,
    Quantity,
    Read,
    SampleBlock,
    Step,
    StreamRequest,
    StreamSettings,
    Subscribe,
    Unsubscribe,
    Via,
)
from firmware_profiles.pairing import Pairing
from firmware_profiles.polar_captures import PolarCaptureDecoder, apart, captured, captured_stream
from firmware_profiles.polar_decoder import PmdDecoder, StampedStream
from firmware_profiles.polar_pmd import (
    CONTROL_UUID,
    DATA_UUID,
    QUANTITY,
    REFUSALS,
    REQUIRED_MTU,
    Measurement,
    Setting,
    offers,
    offers_sdk_mode,
    set_sdk_mode,
    start_stream,
    stop_stream,
)

_IMU: Final = (Measurement.ACC, Measurement.GYRO)
_PLAIN_RATE_HZ: Final = 52.0
_PLAIN_RANGE_G: Final = 8.0
_PLAIN_RANGE_DPS: Final = 2000.0
_RATES_HZ: Final = (26.0, 52.0, 104.0, 208.0, 416.0)
_RANGES_G: Final = (2.0, 4.0, 8.0, 16.0)
_RANGES_DPS: Final = (250.0, 500.0, 1000.0, 2000.0)
_PATIENCE_NS: Final = 5_000_000_000
"""Frames hold up to 71 samples and come every one to two seconds (issue 317): with one frame of
rotation lost, the next one is at most this much behind the acceleration."""


@dataclass(slots=True)
class VerityDecoder:
    """Decodes the streams one by one and puts acceleration and rotation together."""

    streams: PmdDecoder
    pairing: Pairing = field(
        default_factory=lambda: Pairing(Quantity.ACCEL, Quantity.GYRO, _PATIENCE_NS)
    )

    @property
    def settings(self) -> StreamSettings:
        return self.streams.settings

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        out: list[Event] = []
        for event in self.streams.decode(characteristic, data):
            out += self.pairing.add(event) if isinstance(event, SampleBlock) else [event]
        return out


class PolarVerity:
    """The profile of the Polar Verity Sense."""

    info = ProfileInfo(
        id="polar_verity",
        label="Polar Verity Sense",
        vendor="Polar Electro",
        sources=(
            "github.com/polarofficial/polar-ble-sdk at 8fb5311: documentation, unit tests, known "
            "issues; issues 167, 317, 331, 344, 443, 691",
            "github.com/zHElEARN/polar-python at fbed296",
            "github.com/wideopensource/polarpy at 7176492",
        ),
        characteristics=(CONTROL_UUID, DATA_UUID),
        requires_mtu=REQUIRED_MTU,
        rates_hz=_RATES_HZ,
        accel_ranges_g=_RANGES_G,
        gyro_ranges_dps=_RANGES_DPS,
        quantities=(Quantity.ACCEL, Quantity.GYRO),
        timestamp=(
            "last sample of a frame, acceleration and rotation each in frames of their own; 64-bit "
            "nanoseconds since 2000 by the sensor's own clock; no wrap; a time that was set shows "
            "in the stamps only after a power cycle"
        ),
        loss_detection=(
            "step between stamps against samples per frame; there is no counter; acceleration "
            "whose rotation was lost comes without rotation"
        ),
        battery="Battery Service (2A19)",
        records_offline=True,
        placement_advice=(
            "clipped to a strap or to tight clothing at the sternum or the upper back, button "
            "upwards, the same way every day"
        ),
        axes=(
            "y reads negative with the button upwards (issue 317); the rest is published only as "
            "pictures and not verified on a bench: calibrate after mounting"
        ),
        bench_verified=False,
        refusals=REFUSALS,
        quirks=(
            f"Rates other than {_PLAIN_RATE_HZ:g} Hz and ranges other than {_PLAIN_RANGE_G:g} g "
            f"and {_PLAIN_RANGE_DPS:g} deg/s need SDK mode, which is switched on by itself; the "
            "optical pulse then does not work.",
            "Each sample of acceleration takes the sample of rotation that was measured nearest to "
            "it, at most half a sample away; nothing is interpolated.",
            "The magnetometer has another rate and is not streamed; captured packets of it can be "
            "decoded.",
            "Frames come about every one to two seconds: live views lag by as much.",
            "It streams on after a lost link and drains its battery: always stop it. Status 6 at "
            "the next start (already streaming) is answered by stop, then start.",
            "A recording inside the sensor and a live stream of the same kind exclude each other.",
        ),
    )

    def matches(self, advertisement: Advertisement) -> bool:
        return (advertisement.name or "").startswith("Polar Sense ")

    def configure(
        self, request: StreamRequest, mtu: int
    ) -> Generator[Step, bytes | None, VerityDecoder]:
        if mtu < REQUIRED_MTU:
            raise ConfigurationError(
                f"the connection carries {mtu} bytes at once, this sensor needs {REQUIRED_MTU}",
                "use a Bluetooth adapter that negotiates a larger MTU",
            )
        yield Subscribe(CONTROL_UUID, Via.INDICATE)
        yield Subscribe(DATA_UUID)
        features = (yield Read(CONTROL_UUID)) or b""
        for measurement in _IMU:
            if not offers(features, measurement):
                raise ConfigurationError(
                    f"this unit does not offer {QUANTITY[measurement]}",
                    "update its firmware with the Polar app, or use another sensor",
                )
        if _wants_sdk_mode(request) and offers_sdk_mode(features):
            for measurement in _IMU:  # left over from before a lost link
                yield from stop_stream(measurement)
            yield from set_sdk_mode(True)
        accel, factor = yield from start_stream(
            Measurement.ACC, rate_hz=request.rate_hz, range_si=request.accel_range_g
        )
        rate_hz = float(accel[Setting.RATE_HZ])
        gyro, gyro_factor = yield from start_stream(
            Measurement.GYRO, rate_hz=rate_hz, range_si=request.gyro_range_dps
        )
        if gyro[Setting.RATE_HZ] != rate_hz:
            raise ConfigurationError(
                f"acceleration comes at {rate_hz:g} Hz and rotation at {gyro[Setting.RATE_HZ]} Hz",
                "ask for a rate that both have, for example 52 Hz",
            )
        settings = StreamSettings(
            rate_hz,
            (Quantity.ACCEL, Quantity.GYRO),
            _optional(accel.get(Setting.RANGE)),
            _optional(gyro.get(Setting.RANGE)),
        )
        streams = {
            Measurement.ACC: StampedStream(rate_hz, factor),
            Measurement.GYRO: StampedStream(rate_hz, gyro_factor),
        }
        return VerityDecoder(PmdDecoder(settings, streams))

    def stop(self) -> Generator[Step, bytes | None, None]:
        with suppress(ConfigurationError):
            for measurement in _IMU:
                yield from stop_stream(measurement)
            yield from set_sdk_mode(False)
        yield Unsubscribe(DATA_UUID)
        yield Unsubscribe(CONTROL_UUID)

    def decoder(self, config: Mapping[str, object]) -> PolarCaptureDecoder | VerityDecoder:
        """Keys: those of every Polar sensor; stream "imu" is acceleration and rotation put
        together (gyro_factor: the factor of rotation)."""
        if config.get("stream") != "imu":
            return captured(config)
        gyro = {**config, "factor": config.get("gyro_factor", 1)}
        streams = {
            Measurement.ACC: captured_stream(config),
            Measurement.GYRO: captured_stream(gyro),
        }
        return VerityDecoder(apart(streams))


def _wants_sdk_mode(request: StreamRequest) -> bool:
    def nearest(values: tuple[float, ...], wanted: float) -> float:
        return min(values, key=lambda value: abs(value - wanted))

    return (
        nearest(_RATES_HZ, request.rate_hz) != _PLAIN_RATE_HZ
        or nearest(_RANGES_G, request.accel_range_g) != _PLAIN_RANGE_G
        or nearest(_RANGES_DPS, request.gyro_range_dps) != _PLAIN_RANGE_DPS
    )


def _optional(value: int | None) -> float | None:
    return None if value is None else float(value)
