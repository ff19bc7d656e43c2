"""WitMotion BLE 5 family: WT901BLECL, BWT901BLE, WT9011DCL, WT901BLE67 and 68."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from typing import Final

from firmware_profiles.base import (
    Advertisement,
    ConfigurationError,
    Pause,
    ProfileInfo,
    Quantity,
    Step,
    StreamRequest,
    StreamSettings,
    Subscribe,
    Unsubscribe,
    Write,
)
from firmware_profiles.witmotion_frames import (
    ACCEL_RANGE_G,
    GYRO_RANGE_DPS,
    LIVE_BYTES,
    LONG_BYTES,
    NOTIFY_UUID,
    SERVICE_UUID,
    WRITE_UUID,
    Rest,
    WitMotionDecoder,
    find_reply,
)
from firmware_profiles.witmotion_registers import (
    BANDWIDTH,
    BANDWIDTH_CODES,
    BATTERY_VOLTAGE,
    FIRMWARE,
    RATE,
    RATE_CODES,
    READ,
    SAVE,
    UNLOCK,
    command,
)

_RATES_HZ: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
"""Slower ones exist, but a silence of five seconds counts as a broken stream."""
_KEY: Final = 0xB588
_BETWEEN_COMMANDS_S: Final = 0.1
_SETTLE_ATTEMPTS: Final = 3
"""The vendor's own sample shows that settings do not always stick."""
_REPLY_S: Final = 2.0
_NO_IMU: Final = ("WTVB",)
"""Vibration sensors with the same service and header, but another layout."""


class WitMotion:
    """The profile of the WitMotion BLE 5 family."""

    info = ProfileInfo(
        id="witmotion_ble5",
        label="WitMotion WT901BLECL, BWT901BLE, WT9011DCL (BLE 5)",
        vendor="WitMotion",
        sources=(
            "github.com/WITMOTION/WitBluetooth_BWT901BLE5_0 at 9efaab0: official samples",
            "WT901BLECL5.0 user manual, pages 14 and 18",
            "github.com/enthusiasticgeek/witmotion_python_wt9011dcl, "
            "github.com/LiDline/witmotion_WT901BLECL_py, "
            "github.com/rubenmuehlhans/esphome-witmotion: the live frame",
            "github.com/obedier/vib at d8161a2: captured packets of a WT901BLE68",
        ),
        characteristics=(NOTIFY_UUID, WRITE_UUID),
        requires_mtu=23,
        rates_hz=_RATES_HZ,
        accel_ranges_g=(ACCEL_RANGE_G,),
        gyro_ranges_dps=(GYRO_RANGE_DPS,),
        quantities=(Quantity.ACCEL, Quantity.GYRO),
        timestamp="none: samples are timed by count and arrival at the host",
        loss_detection="none: frames have neither counter nor checksum; statistical only",
        battery=(
            "voltage register, read at every connect and every five minutes, vendor's table of "
            "voltage steps"
        ),
        records_offline=False,
        placement_advice=(
            "in a tight belt clip or pocket at T12 or on a chest strap at the sternum, the print "
            "outwards, the same way up every day"
        ),
        axes=(
            "as printed on the case (the manuals of the models disagree); not verified on a bench: "
            "calibrate after mounting"
        ),
        bench_verified=False,
        quirks=(
            "Ranges are fixed at 16 g and 2000 deg/s.",
            "Rate and bandwidth are saved in the sensor when they differ from what is asked for; "
            "they are read back, because there are no acknowledgements.",
            "Whether code 0B means 200 Hz on every model is not known: compare the sample count "
            "with the clock before relying on 200 Hz. 50 and 100 Hz agree in all sources.",
            "Some models send frames of 28 bytes; the length is learned from the first packet.",
            "Fused angles are not used: they depend on an algorithm setting of the sensor.",
            "About 8 hours on one charge; it goes off only by its switch.",
            "The vibration sensors WTVB01 look alike on the air and are left out by name.",
            "The BLE 4 generation has another protocol limit of 50 Hz and is not tested.",
        ),
    )

    def matches(self, advertisement: Advertisement) -> bool:
        name = (advertisement.name or "").upper()
        if name.startswith(_NO_IMU):
            return False
        # the service belongs to a Bluetooth module that is in many products: not without the name
        is_named_so = name.startswith("WT") and SERVICE_UUID in advertisement.service_uuids
        return is_named_so or name.startswith(("WT901", "BWT901"))

    def configure(
        self, request: StreamRequest, mtu: int
    ) -> Generator[Step, bytes | None, WitMotionDecoder]:
        rate_hz = min(_RATES_HZ, key=lambda rate: abs(rate - request.rate_hz))
        yield Subscribe(NOTIFY_UUID)
        firmware = None
        with suppress(ConfigurationError):  # good to know, no more
            firmware = str((yield from _read(FIRMWARE)) & 0xFFFF)
        wanted = {RATE: RATE_CODES[rate_hz], BANDWIDTH: _bandwidth_code(rate_hz)}
        yield from _settle(wanted)
        # the answer comes as a notification and the decoder makes a battery level of it
        yield from self.ask_battery()
        return _decoder(rate_hz, firmware=firmware, details=False)

    def stop(self) -> Generator[Step, bytes | None, None]:
        # there is no command to stop; unheard, it falls silent with the connection
        yield Unsubscribe(NOTIFY_UUID)

    def ask_battery(self) -> Generator[Step, bytes | None, None]:
        yield _write(READ, BATTERY_VOLTAGE)

    def decoder(self, config: Mapping[str, object]) -> WitMotionDecoder:
        """config: rate_hz, frame_bytes (20 or 28), model or medium (SD records end in a date),
        mag_type (content of register 72)."""
        try:
            rate_hz = float(str(config.get("rate_hz", 50)))
            length = config.get("frame_bytes")
            frame_bytes = None if length is None else int(str(length))
            kind = config.get("mag_type")
            mag_type = None if kind is None else int(str(kind))
        except ValueError as error:
            raise ConfigurationError(
                f"config is not usable: {error}", 'give for example {"rate_hz": 50}'
            ) from error
        if not 0 < rate_hz < 1e4 or frame_bytes not in {None, LIVE_BYTES, LONG_BYTES}:
            raise ConfigurationError(
                "rate_hz or frame_bytes is out of range", "frame_bytes is 20 or 28"
            )
        text = f"{config.get('model', '')} {config.get('medium', '')}".upper()
        if any(model in text for model in _NO_IMU):
            raise ConfigurationError(
                "WTVB sensors measure vibration and have another frame layout",
                "use a WT901 or WT9011",
            )
        is_record = "SDCL" in text or "SD FILE" in text
        rest = Rest.CALENDAR if is_record else Rest.MAGNETOMETER
        return _decoder(rate_hz, frame_bytes=frame_bytes, rest=rest, mag_type=mag_type)


def _decoder(
    rate_hz: float,
    *,
    frame_bytes: int | None = None,
    rest: Rest = Rest.MAGNETOMETER,
    mag_type: int | None = None,
    firmware: str | None = None,
    details: bool = True,
) -> WitMotionDecoder:
    quantities = (Quantity.ACCEL, Quantity.GYRO)
    settings = StreamSettings(rate_hz, quantities, ACCEL_RANGE_G, GYRO_RANGE_DPS, firmware)
    return WitMotionDecoder(settings, frame_bytes, rest, mag_type, details)


def _bandwidth_code(rate_hz: float) -> int:
    """The widest filter below half the output rate, so that nothing is aliased."""
    fitting = [hz for hz in BANDWIDTH_CODES if hz < rate_hz / 2]
    return BANDWIDTH_CODES[max(fitting, default=min(BANDWIDTH_CODES))]


def _settle(wanted: Mapping[int, int]) -> Generator[Step, bytes | None, None]:
    """Set and save the registers that differ, until reading them back says so."""
    for _ in range(_SETTLE_ATTEMPTS):
        different = []
        for register, value in wanted.items():
            found = yield from _read(register)
            if found & 0xFF != value:
                different.append(register)
        if not different:
            return
        yield _write(UNLOCK, _KEY)
        for register in different:
            yield Pause(_BETWEEN_COMMANDS_S)
            yield _write(register, wanted[register])
        yield Pause(_BETWEEN_COMMANDS_S)
        yield _write(SAVE, 0)
        yield Pause(_BETWEEN_COMMANDS_S)
    for register, value in wanted.items():
        found = yield from _read(register)
        if found & 0xFF != value:
            raise ConfigurationError(
                f"register {register:02X} stays {found & 0xFF:02X}, {value:02X} was asked for",
                "switch the sensor off and on, or choose another rate",
            )


def _read(register: int) -> Generator[Step, bytes | None, int]:
    """First value of a register. Raises ConfigurationError when there is no answer."""

    def is_answer(data: bytes) -> bool:
        return find_reply(data, register) is not None

    try:
        data = yield _write(READ, register, reply=is_answer)
    except TimeoutError:
        data = None
    reply = find_reply(data or b"", register)
    if reply is None:
        raise ConfigurationError(
            f"the sensor does not answer when register {register:02X} is read",
            "switch it off and on, and check that no app is connected to it",
        )
    return reply.raw[0]


def _write(register: int, value: int, reply: Callable[[bytes], bool] | None = None) -> Write:
    data = command(register, value)
    if reply is None:
        return Write(WRITE_UUID, data, with_response=False)
    return Write(WRITE_UUID, data, False, NOTIFY_UUID, reply, _REPLY_S)
