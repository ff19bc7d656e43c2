"""Polar H10: acceleration from a chest strap."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Final

from firmware_profiles.base import (
    Advertisement,
    ConfigurationError,
    ProfileInfo,
    Quantity,
    Read,
    Step,
    StreamRequest,
    StreamSettings,
    Subscribe,
    Unsubscribe,
    Via,
)
from firmware_profiles.polar_captures import PolarCaptureDecoder, captured
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
    start_stream,
    stop_stream,
)

_RATES_HZ: Final = (25.0, 50.0, 100.0, 200.0)
_RANGES_G: Final = (2.0, 4.0, 8.0)


class PolarH10:
    """The profile of the Polar H10."""

    info = ProfileInfo(
        id="polar_h10",
        label="Polar H10",
        vendor="Polar Electro",
        sources=(
            "github.com/polarofficial/polar-ble-sdk at 8fb5311: documentation, unit tests; "
            "issues 124, 204, 223, 287, 357, 360",
            "github.com/fsmeraldi/bleakheart at b4b6896",
            "github.com/zHElEARN/polar-python at fbed296",
        ),
        characteristics=(CONTROL_UUID, DATA_UUID),
        requires_mtu=REQUIRED_MTU,
        rates_hz=_RATES_HZ,
        accel_ranges_g=_RANGES_G,
        gyro_ranges_dps=(),
        quantities=(Quantity.ACCEL,),
        timestamp=(
            "last sample of a frame; 64-bit nanoseconds since 2000 by the sensor's own clock; no "
            "wrap; restarts at 2019-01-01 after power loss"
        ),
        loss_detection="step between stamps against samples per frame; there is no counter",
        battery="Battery Service (2A19)",
        records_offline=False,
        placement_advice="chest strap, the unit at the sternum with its logo upright",
        axes=(
            "+z points out of the chest (from users' reports); x and y are published only as "
            "pictures and not verified on a bench: calibrate after mounting"
        ),
        bench_verified=False,
        refusals=REFUSALS,
        quirks=(
            "Accelerometer only: rotation and gait signs that need a gyroscope are not observable.",
            "It streams on after a lost link and drains its battery: always stop it. Status 6 at "
            "the next start (already streaming) is answered by stop, then start.",
            "It switches off about 45 s after leaving the strap's contacts.",
            "The true rate is 1 to 2 % off the nominal one; stamps show it.",
            "A faulty unit with z stuck at -2000 mG was reported.",
        ),
    )

    def matches(self, advertisement: Advertisement) -> bool:
        return (advertisement.name or "").startswith("Polar H10 ")

    def configure(
        self, request: StreamRequest, mtu: int
    ) -> Generator[Step, bytes | None, PmdDecoder]:
        if mtu < REQUIRED_MTU:
            raise ConfigurationError(
                f"the connection carries {mtu} bytes at once, this sensor needs {REQUIRED_MTU}",
                "use a Bluetooth adapter that negotiates a larger MTU",
            )
        yield Subscribe(CONTROL_UUID, Via.INDICATE)
        yield Subscribe(DATA_UUID)
        features = yield Read(CONTROL_UUID)
        if not offers(features or b"", Measurement.ACC):
            raise ConfigurationError(
                "this unit does not offer acceleration", "update its firmware with the Polar app"
            )
        chosen, factor = yield from start_stream(
            Measurement.ACC, rate_hz=request.rate_hz, range_si=request.accel_range_g
        )
        range_g = chosen.get(Setting.RANGE)
        return _decoder(
            Measurement.ACC,
            StampedStream(float(chosen[Setting.RATE_HZ]), factor),
            None if range_g is None else float(range_g),
        )

    def stop(self) -> Generator[Step, bytes | None, None]:
        with suppress(ConfigurationError):
            yield from stop_stream(Measurement.ACC)
        yield Unsubscribe(DATA_UUID)
        yield Unsubscribe(CONTROL_UUID)

    def decoder(self, config: Mapping[str, object]) -> PolarCaptureDecoder:
        return captured(config)


def _decoder(
    measurement: Measurement, stream: StampedStream, accel_range_g: float | None
) -> PmdDecoder:
    settings = StreamSettings(stream.nominal_hz, (QUANTITY[measurement],), accel_range_g, None)
    return PmdDecoder(settings, {measurement: stream})
