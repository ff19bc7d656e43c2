"""MbientLab MetaMotion R, RL, C (BMI160) and S (BMI270)."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Final, TypeVar

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
    Write,
)
from firmware_profiles.metamotion_packets import (
    PATIENCE_NS,
    TICK_NS,
    Channel,
    MetaMotionDecoder,
)
from firmware_profiles.metamotion_registers import (
    ACC,
    ACC_CHIPS,
    ACCOUNTER_TIME,
    COMMAND_UUID,
    CONFIG,
    ENABLE,
    EVENT,
    EVENT_CLEAR,
    FIRMWARE_UUID,
    GYRO,
    GYRO_CHIPS,
    HAPTIC,
    HAPTIC_FULL,
    HAPTIC_MOTOR,
    HAPTIC_PULSE,
    LOGGER_CLEAR,
    LOGGING,
    NOTIFY_UUID,
    POWER,
    PROCESSOR,
    PROCESSOR_ADD,
    PROCESSOR_CLEAR,
    PROCESSOR_DATA,
    PROCESSOR_NOTIFY,
    READ,
    SERVICE_UUID,
    Chip,
)
from firmware_profiles.packet_pairing import PacketPairing
from firmware_profiles.pairing import Pairing

T = TypeVar("T")
_RATES_HZ: Final = (25.0, 50.0, 100.0)
_FASTEST_STAMPED_HZ: Final = 50.0
"""Stamped samples come one by one: 100 packets a second for both sensors; beyond that the link
would not keep up, and three samples to a packet leave no room for a stamp."""
_RANGES_G: Final = (2.0, 4.0, 8.0, 16.0)
_RANGES_DPS: Final = (125.0, 250.0, 500.0, 1000.0, 2000.0)
_SIX_BYTES: Final = b"\xff\xa0"
"""Source of a data processor: no channel; 6 bytes from offset 0."""
_CHIP_OF_MODEL: Final = {
    **dict.fromkeys(("MMR", "MMRL", "MMC", "5"), "BMI160"),
    **dict.fromkeys(("MMS", "8"), "BMI270"),
}
"""Names of the boards, and what their model number reads."""
_RESTART: Final = "restart the board with the vendor's app, then try again"


class MetaMotion:
    """The profile of the MetaMotion family."""

    info = ProfileInfo(
        id="metamotion",
        label="MbientLab MetaMotion R, RL, C, S",
        vendor="MbientLab",
        sources=(
            "github.com/mbientlab/MetaWear-SDK-Cpp at f67699e: sources and byte-level tests",
            "github.com/mbientlab/MetaWear-SDK-Python",
            "the vendor's forum, discussion 2167: axes",
        ),
        characteristics=(COMMAND_UUID, NOTIFY_UUID),
        requires_mtu=23,
        rates_hz=_RATES_HZ,
        accel_ranges_g=_RANGES_G,
        gyro_ranges_dps=_RANGES_DPS,
        quantities=(Quantity.ACCEL, Quantity.GYRO),
        timestamp=(
            "up to 50 Hz its one sample, put there by a data processor on the board: 32-bit ticks "
            "of 1.46484375 ms since the board's start; wraps after 73 days (undone); restarts with "
            "the board. At 100 Hz there is no room for stamps: the host's clock and the sample "
            "count are used"
        ),
        loss_detection=(
            "up to 50 Hz the step between stamps; at 100 Hz none, except where acceleration and "
            "rotation no longer come in turn: there a lost packet can leave the two 30 ms apart"
        ),
        battery="Battery Service (2A19)",
        records_offline=True,
        placement_advice=(
            "clip or sleeve at the waist or T12, or tape at the sternum; the same way every day"
        ),
        axes=(
            "board flat, logo readable: x right, y away from the reader, z up (forum, for the C; "
            "not verified on a bench, nor for the S in its case): calibrate after mounting"
        ),
        bench_verified=False,
        vibrates=True,
        quirks=(
            "The driver of the motor is on every board, a motor only on some: a board without one "
            "does nothing.",
            "R, RL and C have a BMI160, S has a BMI270: found out from the board itself, because "
            "the same register numbers mean different data.",
            "Commands are not acknowledged: rate and range are read back.",
            "Each sample of acceleration takes the sample of rotation that was measured nearest "
            "to it; nothing is interpolated.",
            "Processors, events and loggers that another app left behind are removed at every "
            "start: recordings inside the board end with that.",
            "It streams on after a lost link: always stop it.",
            "The magnetometer (10 Hz) is not streamed; captured packets of it, of sensor fusion "
            "and of the log can be decoded.",
        ),
    )

    def matches(self, advertisement: Advertisement) -> bool:
        # the name is the owner's choice
        return SERVICE_UUID in advertisement.service_uuids

    def configure(
        self, request: StreamRequest, mtu: int
    ) -> Generator[Step, bytes | None, MetaMotionDecoder]:
        rate_hz = _nearest(_RATES_HZ, request.rate_hz)
        firmware = ((yield Read(FIRMWARE_UUID)) or b"").decode("ascii", "replace").strip("\0 ")[:32]
        yield from _clear()
        yield Subscribe(NOTIFY_UUID)
        accel = Channel(
            (yield from _discover(ACC, ACC_CHIPS, "accelerometer")),
            _nearest(_RANGES_G, request.accel_range_g),
        )
        gyro = Channel(
            (yield from _discover(GYRO, GYRO_CHIPS, "gyroscope")),
            _nearest(_RANGES_DPS, request.gyro_range_dps),
        )
        is_stamped = rate_hz <= _FASTEST_STAMPED_HZ
        processors: dict[int, int] = {}
        for channel in (accel, gyro):
            chip = channel.chip
            yield from _set(chip, chip.config(rate_hz, channel.full_scale))
            yield _command(chip.module, chip.single, 0)
            yield _command(chip.module, chip.packed, not is_stamped)
            if is_stamped:
                processors[(yield from _add_accounter(chip))] = chip.module
        if is_stamped:
            yield _command(PROCESSOR, PROCESSOR_DATA, 1)
            for processor in processors:
                yield _command(PROCESSOR, PROCESSOR_NOTIFY, processor, 1)
        for module in (GYRO, ACC):
            yield _command(module, ENABLE, 1, 0)
        for module in (GYRO, ACC):
            yield _command(module, POWER, 1)
        settings = StreamSettings(
            rate_hz,
            (Quantity.ACCEL, Quantity.GYRO),
            accel.full_scale,
            gyro.full_scale,
            f"{firmware} {accel.chip.name}".strip(),
            TICK_NS if is_stamped else 0.0,
        )
        pairing = (
            Pairing(Quantity.ACCEL, Quantity.GYRO, PATIENCE_NS) if is_stamped else PacketPairing()
        )
        return MetaMotionDecoder(settings, accel, gyro, processors, pairing)

    def stop(self) -> Generator[Step, bytes | None, None]:
        yield from _clear()
        yield Unsubscribe(NOTIFY_UUID)

    def vibrate(self, pulse_ms: int) -> Generator[Step, bytes | None, None]:
        width = max(1, min(pulse_ms, 0xFFFF)).to_bytes(2, "little")
        yield _command(HAPTIC, HAPTIC_PULSE, HAPTIC_FULL, *width, HAPTIC_MOTOR)

    def decoder(self, config: Mapping[str, object]) -> MetaMotionDecoder:
        """Keys: chip ("BMI160" or "BMI270"; or model, such as "MMS"), range_g, range_dps, rate_hz,
        processor_id and gyro_processor_id (accounters of the two), loggers ({id: axes}, such as
        {"0": "x,y"}). With range_dps alone, processor_id and loggers are those of rotation."""
        name = str(config.get("chip", config.get("model", "BMI160"))).upper()
        name = _CHIP_OF_MODEL.get(name, name)
        is_rotation = "range_dps" in config and "range_g" not in config
        accel = next((chip for chip in ACC_CHIPS.values() if chip.name == name), None)
        gyro = next((chip for chip in GYRO_CHIPS.values() if chip.name == name), None)
        try:
            range_g = float(str(config.get("range_g", 8)))
            range_dps = float(str(config.get("range_dps", 2000)))
            rate_hz = float(str(config.get("rate_hz", _FASTEST_STAMPED_HZ)))
            processors = {
                int(str(config.get("gyro_processor_id", 1))): GYRO,
                int(str(config.get("processor_id", 0))): GYRO if is_rotation else ACC,
            }
            if accel is None or gyro is None:
                raise ValueError(f"chip {name[:20]!r} is unknown")
            if range_g not in accel.ranges or range_dps not in gyro.ranges:
                raise ValueError(f"range {range_g:g} g or {range_dps:g} deg/s is not on offer")
            if not 0 < rate_hz < 1e5:
                raise ValueError(f"rate_hz is {rate_hz}")
            loggers = _loggers(config.get("loggers", {}))
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"config is not usable: {error}",
                'give for example {"chip": "BMI270", "range_g": 8}',
            ) from error
        settings = StreamSettings(rate_hz, tuple(Quantity), range_g, range_dps, name)
        return MetaMotionDecoder(
            settings,
            Channel(accel, range_g),
            Channel(gyro, range_dps),
            processors,
            None,
            loggers,
            GYRO if is_rotation else ACC,
            finds_loss="rate_hz" in config,
        )


def _loggers(config: object) -> dict[int, tuple[str, ...]]:
    if not isinstance(config, Mapping):
        raise TypeError("loggers is no table")
    return {int(str(key)): tuple(str(axes).split(",")) for key, axes in config.items()}


def _nearest(values: tuple[float, ...], wanted: float) -> float:
    return min(values, key=lambda value: abs(value - wanted))


def _command(*numbers: int) -> Write:
    return Write(COMMAND_UUID, bytes(numbers), with_response=False)


def _clear() -> Generator[Step, bytes | None, None]:
    """Stop both sensors and remove what this or another app left on the board."""
    for module in (ACC, GYRO):
        yield _command(module, POWER, 0)
        yield _command(module, ENABLE, 0, 1)
    yield _command(PROCESSOR, PROCESSOR_CLEAR)
    yield _command(EVENT, EVENT_CLEAR)
    yield _command(LOGGING, LOGGER_CLEAR)


def _ask(data: bytes, head: bytes) -> Generator[Step, bytes | None, bytes]:
    """Write and wait for an answer that begins with `head`; what follows it."""
    try:
        answer = yield Write(
            COMMAND_UUID,
            data,
            with_response=False,
            reply_on=NOTIFY_UUID,
            reply=lambda value: value[: len(head)] == head,
        )
    except TimeoutError:
        raise ConfigurationError(f"the board does not answer {data.hex()}", _RESTART) from None
    return (answer or b"")[len(head) :]


def _discover(
    module: int, chips: Mapping[int, Chip], what: str
) -> Generator[Step, bytes | None, Chip]:
    """The chip behind a module, by its implementation byte."""
    question = bytes((module, READ))
    answer = yield from _ask(question, question)
    if not answer:
        raise ConfigurationError(f"this board has no {what}", "use a MetaMotion R, RL, C or S")
    if answer[0] not in chips:
        raise ConfigurationError(
            f"this board's {what} (implementation {answer[0]}) is unknown",
            "use a MetaMotion R, RL, C or S",
        )
    return chips[answer[0]]


def _set(chip: Chip, config: bytes) -> Generator[Step, bytes | None, None]:
    """Write rate and range, and read them back: writes are not acknowledged."""
    yield Write(COMMAND_UUID, bytes((chip.module, CONFIG)) + config, with_response=False)
    question = bytes((chip.module, READ | CONFIG))
    found = yield from _ask(question, question)
    if found[: len(config)] != config:
        raise ConfigurationError(
            f"the board keeps {found.hex()!r} as rate and range of its {chip.quantity} sensor, not "
            f"{config.hex()!r}",
            _RESTART,
        )


def _add_accounter(chip: Chip) -> Generator[Step, bytes | None, int]:
    """Have a chip's samples stamped; the processor's id."""
    head = bytes((PROCESSOR, PROCESSOR_ADD))
    source = bytes((chip.module, chip.single)) + _SIX_BYTES
    answer = yield from _ask(head + source + ACCOUNTER_TIME, head)
    if len(answer) != 1:
        raise ConfigurationError("the board cannot stamp its samples", _RESTART)
    return answer[0]
