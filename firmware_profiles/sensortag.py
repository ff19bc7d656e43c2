"""TI SensorTag CC2650: its movement service."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from firmware_profiles.base import (
    STANDARD_GRAVITY_MPS2,
    Advertisement,
    ConfigurationError,
    DecodeError,
    Event,
    Note,
    ProfileInfo,
    Quantity,
    Read,
    SampleRun,
    Step,
    StreamRequest,
    StreamSettings,
    Subscribe,
    Unsubscribe,
    Write,
)
from firmware_profiles.int16_layout import int16_block, int16_run
from firmware_profiles.standard import standard_events

_BASE: Final = "f000{}-0451-4000-b000-000000000000"
DATA_UUID: Final = _BASE.format("aa81")
CONFIG_UUID: Final = _BASE.format("aa82")
PERIOD_UUID: Final = _BASE.format("aa83")
ADVERTISED_UUID: Final = "0000aa80-0000-1000-8000-00805f9b34fb"
_NAMES: Final = ("CC2650 SensorTag", "SensorTag 2.0")

_ALL_AXES: Final = 0x7F
_WAKE_ON_MOTION: Final = 0x80
_RANGE_CODES: Final = {2.0: 0, 4.0: 1, 8.0: 2, 16.0: 3}
_OFFERED_G: Final = (2.0, 8.0, 16.0)
_GYRO_RANGE_DPS: Final = 250.0
_PERIOD_UNIT_MS: Final = 10
_RATES_HZ: Final = (1.0, 2.0, 5.0, 10.0)
_GYRO_LSB: Final = math.radians(2 * _GYRO_RANGE_DPS / 65536)
_MAG_LSB: Final = 4912 / 32760
_QUANTITIES: Final = (Quantity.GYRO, Quantity.ACCEL, Quantity.MAG)


class SensorTag:
    """The profile of the CC2650 SensorTag."""

    info = ProfileInfo(
        id="sensortag_cc2650",
        label="TI SensorTag CC2650",
        vendor="Texas Instruments",
        sources=(
            "Texas Instruments, CC2650 SensorTag User's Guide: movement sensor",
            "github.com/IanHarvey/bluepy: sensortag.py",
        ),
        characteristics=(DATA_UUID, CONFIG_UUID, PERIOD_UUID),
        requires_mtu=23,
        rates_hz=_RATES_HZ,
        accel_ranges_g=_OFFERED_G,
        gyro_ranges_dps=(_GYRO_RANGE_DPS,),
        quantities=_QUANTITIES,
        timestamp="none: samples are timed by count and arrival at the host",
        loss_detection="none: packets have neither counter nor checksum; statistical only",
        battery="Battery Service (2A19)",
        records_offline=False,
        placement_advice="in a tight belt clip at T12 or a pouch at the sternum, print outwards",
        axes="not documented for the case and not verified on a bench: calibrate after mounting",
        bench_verified=False,
        quirks=(
            "Ten samples a second at most: postures can be told, steps and gait signs cannot.",
            "Discontinued by the maker.",
            "The 4 g range is not offered: sources disagree on its scale.",
            "It stops advertising after some minutes: press its button.",
        ),
    )

    def matches(self, advertisement: Advertisement) -> bool:
        # the older CC2541 SensorTag is called "SensorTag" and has other services
        return advertisement.name in _NAMES or ADVERTISED_UUID in advertisement.service_uuids

    def configure(
        self, request: StreamRequest, mtu: int
    ) -> Generator[Step, bytes | None, SensorTagDecoder]:
        rate_hz = min(_RATES_HZ, key=lambda rate: abs(rate - request.rate_hz))
        range_g = min(_OFFERED_G, key=lambda offered: abs(offered - request.accel_range_g))
        wanted = (_ALL_AXES | _RANGE_CODES[range_g] << 8).to_bytes(2, "little")
        yield Write(PERIOD_UUID, bytes((round(1000 / rate_hz / _PERIOD_UNIT_MS),)))
        yield Write(CONFIG_UUID, wanted)
        found = yield Read(CONFIG_UUID)
        if found != wanted:
            raise ConfigurationError(
                f"the movement sensor stays at {(found or b'').hex()}, {wanted.hex()} was asked",
                "take its battery out and put it back, then try again",
            )
        yield Subscribe(DATA_UUID)
        return _decoder(rate_hz, range_g)

    def stop(self) -> Generator[Step, bytes | None, None]:
        yield Unsubscribe(DATA_UUID)
        yield Write(CONFIG_UUID, bytes(2))

    def decoder(self, config: Mapping[str, object]) -> SensorTagDecoder:
        """config: rate_hz, and accel_range_g or range_g (2, 4, 8 or 16)."""
        told = next(
            (value for key, value in config.items() if "range" in key and "gyro" not in key), 8
        )
        try:
            rate_hz, range_g = float(str(config.get("rate_hz", 10))), float(str(told))
        except ValueError as error:
            raise ConfigurationError(
                f"config is not usable: {error}", 'give for example {"accel_range_g": 8}'
            ) from error
        if not 0 < rate_hz <= 1000 or range_g not in _RANGE_CODES:
            raise ConfigurationError(
                "rate_hz or accel_range_g is out of range", "ranges are 2, 4, 8 and 16 g"
            )
        return _decoder(rate_hz, range_g)


@dataclass(frozen=True, slots=True)
class SensorTagDecoder:
    """Decodes what the movement service notifies."""

    settings: StreamSettings
    lsb: Mapping[Quantity, float]

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        if characteristic == DATA_UUID:
            return [int16_block(data, self.lsb, 1e9 / self.settings.rate_hz)]
        if characteristic == CONFIG_UUID and len(data) == 2:
            return [_config_note(int.from_bytes(data, "little"))]
        if characteristic == PERIOD_UUID and len(data) == 1:
            period_ms = data[0] * _PERIOD_UNIT_MS
            return [Note("command", {"name": "movement_period", "period_ms": period_ms})]
        if characteristic in {CONFIG_UUID, PERIOD_UUID}:
            raise DecodeError(f"{len(data)} bytes do not fit {characteristic[:8]}")
        return standard_events(characteristic, data)

    def decode_run(self, characteristic: str, packets: Sequence[bytes]) -> SampleRun | None:
        if characteristic != DATA_UUID:
            return None
        return int16_run(packets, self.lsb, 1e9 / self.settings.rate_hz)


def _decoder(rate_hz: float, range_g: float) -> SensorTagDecoder:
    lsb = {
        Quantity.GYRO: _GYRO_LSB,
        Quantity.ACCEL: range_g * STANDARD_GRAVITY_MPS2 / 32768,
        Quantity.MAG: _MAG_LSB,
    }
    return SensorTagDecoder(StreamSettings(rate_hz, _QUANTITIES, range_g, _GYRO_RANGE_DPS), lsb)


def _config_note(word: int) -> Note:
    ranges = {code: range_g for range_g, code in _RANGE_CODES.items()}
    return Note(
        "command",
        {
            "name": "movement_configuration",
            "gyro_axes": word & 7,
            "accel_axes": word >> 3 & 7,
            "mag": bool(word & 0x40),
            "wake_on_motion": bool(word & _WAKE_ON_MOTION),
            "accel_range_g": ranges[word >> 8 & 3],
        },
    )
