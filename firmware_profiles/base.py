"""The sans-I/O contract between a sensor family and whoever holds the radio.

A profile never touches a radio. To configure or stop a sensor it is a generator that *yields
steps* (subscribe, write these bytes and expect that answer, read, pause); the caller carries each
step out and sends the answer back in. To decode, the caller feeds notification bytes to the
Decoder that `configure` returned and gets events: sample blocks in SI units, battery levels, ends.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

BATTERY_LEVEL_UUID = "00002a19-0000-1000-8000-00805f9b34fb"
"""Bluetooth SIG Battery Level characteristic: one byte, percent."""

STANDARD_GRAVITY_MPS2 = 9.80665


class ProfileError(Exception):
    """Base of everything a profile raises on purpose."""


class DecodeError(ProfileError):
    """Bytes that do not fit the sensor's documented layout. Count the packet, drop it, go on."""


class ConfigurationError(ProfileError):
    """The sensor refused or cannot do what was asked; `advice` says what to do next."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message}; {advice}")
        self.advice = advice


class Quantity(StrEnum):
    """What a channel measures; the values are the channel names of the wire format."""

    ACCEL = "accel"  # m/s2, specific force including gravity
    GYRO = "gyro"  # rad/s
    MAG = "mag"  # uT


@dataclass(frozen=True, slots=True)
class Advertisement:
    """What a scan says about a device. `service_uuids` in 128-bit lower-case text."""

    name: str | None = None
    service_uuids: Sequence[str] = ()
    manufacturer_data: Mapping[int, bytes] = field(default_factory=dict)
    service_data: Mapping[str, bytes] = field(default_factory=dict)
    """By UUID, written as above."""


# --- steps ---------------------------------------------------------------------------------


class Via(StrEnum):
    """How a characteristic pushes values."""

    NOTIFY = "notify"
    INDICATE = "indicate"


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Enable notifications or indications. Answer: None."""

    characteristic: str
    via: Via = Via.NOTIFY


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Disable notifications or indications. Answer: None."""

    characteristic: str


@dataclass(frozen=True, slots=True)
class Read:
    """Read a characteristic. Answer: its bytes."""

    characteristic: str


@dataclass(frozen=True, slots=True)
class Write:
    """Write a characteristic. Answer: None, or the matching reply's bytes when `reply` is given.

    The caller must be listening for the reply before it writes. A reply that does not come within
    `timeout_s` ends the sequence: the caller throws TimeoutError into the generator.
    """

    characteristic: str
    data: bytes
    with_response: bool = True
    reply_on: str | None = None
    reply: Callable[[bytes], bool] | None = None
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait. Answer: None."""

    seconds: float


Step = Subscribe | Unsubscribe | Read | Write | Pause


# --- events --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """Consecutive samples of one packet (or one frame put together from several packets).

    Sample i was taken at device time `device_t0_ns + i * device_dt_ns`. Device time is a monotonic
    integer in the decoder's own epoch: wraps are undone by the decoder, restarts are not (the next
    stamp is then smaller and `restarted` is true). None when the sensor sends no stamp at all: the
    caller then goes by sample count and arrival.
    """

    n: int
    device_t0_ns: int | None
    device_dt_ns: float
    values: Mapping[Quantity, NDArray[np.float32]]
    """(n, 3) float32 SI per quantity, sensor axes."""
    lsb: Mapping[Quantity, float] = field(default_factory=dict)
    """SI units per count where the sensor's step is known: lets the wire carry int16 losslessly."""
    lost_before: int = 0
    """Samples that the stamps or counters show to be missing before this block."""
    restarted: bool = False
    newest_ns: int | None = None
    """Device time of the newest sample that the packet brought, where this block had to wait for
    it (streams that are put together); None: it is the block's own last one."""


@dataclass(frozen=True, slots=True, eq=False)
class SampleRun:
    """Sample blocks of many packets as columns: what the packets would give one by one. All blocks
    have `n` samples of the same quantities and steps, and none begins after a restart.
    """

    packet: NDArray[np.intp]
    """(blocks,) place of the packet that made each block whole."""
    n: int
    device_t0_ns: NDArray[np.int64] | None
    """(blocks,), None when the sensor sends no stamp."""
    device_dt_ns: NDArray[np.float64]
    """(blocks,)"""
    values: Mapping[Quantity, NDArray[np.float32]]
    """(blocks * n, 3) float32 SI per quantity."""
    lsb: Mapping[Quantity, float]
    lost_before: NDArray[np.int64]
    """(blocks,)"""
    newest_ns: NDArray[np.int64] | None = None
    """(blocks,), see SampleBlock."""

    def blocks(self) -> Iterator[tuple[int, SampleBlock]]:
        """(place of the packet, block), one by one."""
        count = len(self.packet)
        none = (None,) * count
        pieces = {q: rows.reshape(count, self.n, 3) for q, rows in self.values.items()}
        columns = zip(
            self.packet.tolist(),
            none if self.device_t0_ns is None else self.device_t0_ns.tolist(),
            self.device_dt_ns.tolist(),
            self.lost_before.tolist(),
            none if self.newest_ns is None else self.newest_ns.tolist(),
            strict=True,
        )
        for k, (packet, t0_ns, dt_ns, lost, newest_ns) in enumerate(columns):
            values = {q: piece[k] for q, piece in pieces.items()}
            yield (
                packet,
                SampleBlock(self.n, t0_ns, dt_ns, values, self.lsb, lost, False, newest_ns),
            )


@dataclass(frozen=True, slots=True)
class BatteryLevel:
    """Battery charge in percent, 0..100."""

    percent: int


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The sensor itself ended the stream."""

    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """Anything else that was said: a command, its answer, a reading that is not motion. For people
    who look at packets; nothing depends on it."""

    topic: str
    """One word, for example "command", "answer", "reading"."""
    values: Mapping[str, object]
    """What was said, in names with units; JSON types only."""


Event = SampleBlock | BatteryLevel | StreamEnded | Note


# --- profile -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What the caller would like; a profile takes the nearest setting on offer."""

    rate_hz: float = 50.0
    accel_range_g: float = 8.0
    gyro_range_dps: float = 2000.0
    host_utc_us: int | None = None
    """The caller's clock, for sensors that want theirs set."""


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What the sensor was told to do."""

    rate_hz: float
    quantities: tuple[Quantity, ...]
    accel_range_g: float | None
    gyro_range_dps: float | None
    firmware: str | None = None
    stamp_step_ns: float = 0.0
    """Resolution of the sensor's stamps; 0 where it is finer than matters."""


class Decoder(Protocol):
    """Stateful decoder of one streaming session; made by `Profile.configure`."""

    @property
    def settings(self) -> StreamSettings:
        """What this stream delivers."""

    def decode(self, characteristic: str, data: bytes) -> list[Event]:
        """Events in one notification; raises DecodeError and keeps its state usable."""


@runtime_checkable
class BulkDecoder(Decoder, Protocol):
    """A decoder that takes packets of one fixed layout together, all of them in one array."""

    def decode_run(self, characteristic: str, packets: Sequence[bytes]) -> SampleRun | None:
        """What `decode` would make of the packets one after the other. None, with nothing changed,
        when any of them is not a plain packet of samples that follows on the one before."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One answer by which a sensor says no."""

    code: str
    """As it stands in the answer."""
    meaning: str
    advice: str
    """What the agent does or what people can do."""


@dataclass(frozen=True, slots=True)
class ProfileInfo:
    """The declarative half of a profile: everything that `trunkline profiles` and docs show."""

    id: str
    label: str
    vendor: str
    sources: tuple[str, ...]
    characteristics: tuple[str, ...]
    """UUIDs that the profile reads, writes or hears, the standard ones left out."""
    requires_mtu: int
    rates_hz: tuple[float, ...]
    accel_ranges_g: tuple[float, ...]
    gyro_ranges_dps: tuple[float, ...]
    quantities: tuple[Quantity, ...]
    timestamp: str
    """Which sample is stamped, width, unit, epoch, wrap, reset: in one sentence."""
    loss_detection: str
    battery: str
    records_offline: bool
    placement_advice: str
    axes: str
    """How the sensor's axes lie when worn as advised, or what is not known about it."""
    bench_verified: bool
    """True only after a person compared a real unit on a bench."""
    quirks: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    """The error table; empty for a sensor that never answers: its settings are read back."""
    backfills: bool = False
    """Whether an agent can fill gaps from that memory: the profile is a Recorder."""
    vibrates: bool = False
    """Whether the sensor can have a motor for alerts: the profile is a Vibrator."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording in a sensor's own memory."""

    number: int
    """As the sensor counts them."""
    is_ours: bool
    """Whether nothing else is in that memory, so that it may be cleared."""
    rate_hz: float


@runtime_checkable
class Recorder(Protocol):
    """A profile whose sensor can keep in its own memory what it measures out of reach, and give it
    out later. `ProfileInfo.backfills` says the same to people."""

    def record(
        self, request: StreamRequest, mtu: int
    ) -> Generator[Step, bytes | None, Recording | None]:
        """Steps that let an idle sensor record until it is stopped, beside the stream that is
        started next; None when it cannot. Raises ConfigurationError, DecodeError."""

    def recall(self, recording: Recording) -> Generator[Step, bytes | None, Decoder]:
        """Steps that end the stream and the recording and ask for what is in it. The decoder's
        blocks have the device time of the stream beside which they were recorded; StreamEnded
        comes after the last one. Raises ConfigurationError, DecodeError."""

    def forget(self, recording: Recording) -> Generator[Step, bytes | None, None]:
        """Steps that end recording and read-out, and clear the memory if it is ours."""


class Profile(Protocol):
    """One sensor family."""

    info: ProfileInfo

    def matches(self, advertisement: Advertisement) -> bool:
        """True when an advertisement is from this family."""

    def configure(self, request: StreamRequest, mtu: int) -> Generator[Step, bytes | None, Decoder]:
        """Steps that start the stream; returns the decoder. Raises ConfigurationError."""

    def stop(self) -> Generator[Step, bytes | None, None]:
        """Steps that end the stream and leave the sensor idle."""

    def decoder(self, config: Mapping[str, object]) -> Decoder:
        """A decoder for packets that were captured elsewhere: what `configure` would have found
        out stands in `config` (keys per profile, sensible defaults). Raises ConfigurationError."""


@runtime_checkable
class Vibrator(Protocol):
    """A profile whose sensor can have a motor. `ProfileInfo.vibrates` says the same to people."""

    def vibrate(self, pulse_ms: int) -> Generator[Step, bytes | None, None]:
        """Steps for a running stream: let the motor run once, 1..65535 ms. A unit without a motor
        does nothing."""


@runtime_checkable
class AsksBattery(Protocol):
    """A profile whose sensor tells its charge only when asked over its own protocol."""

    def ask_battery(self) -> Generator[Step, bytes | None, None]:
        """Steps for a running stream; the decoder makes a BatteryLevel of the answer."""
