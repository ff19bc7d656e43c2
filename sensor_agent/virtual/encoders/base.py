"""The one shape of all encoders: a sensor's side of the protocol, without radio and clock.

An encoder is told what the central writes and answers with pushes; when the central has asked
for a stream, it turns samples into the packets that the real sensor would send. It shares no code
with the decoders in firmware_profiles, so that the two check each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Characteristic:
    """One GATT characteristic; properties are bleak's names: read, write, notify, indicate."""

    uuid: str
    properties: frozenset[str]


@dataclass(frozen=True, slots=True)
class Service:
    """One GATT service."""

    uuid: str
    characteristics: tuple[Characteristic, ...]


@dataclass(frozen=True, slots=True)
class Push:
    """A notification or indication."""

    characteristic: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """What the central asked for; a new object for every start."""

    rate_hz: float
    samples_per_frame: int


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Samples as they go out, after the sensor's own rounding.

    device_t_ns: (n,) int64 when each was taken, by the device's clock; values: quantity name
    ("accel" m/s2, "gyro" rad/s) -> (n, 3) float32.
    """

    device_t_ns: NDArray[np.int64]
    values: Mapping[str, NDArray[np.float32]]
    pushes: tuple[Push, ...] = field(repr=False)


class Encoder(Protocol):
    """One sensor family's side of the air."""

    name: str
    """Local name in the advertisement."""
    advertised_uuids: tuple[str, ...]
    services: tuple[Service, ...]
    """Without the battery service, which the peripheral adds where the sensor has it."""
    has_battery_service: bool
    measures_rotation: bool
    """Whether the sensor has a gyroscope; then a recording has to have rotation, too."""
    clock_start_ns: int
    """What the device clock shows right after power-on."""
    stream: Stream | None
    """The running stream; the peripheral plays as long as there is one."""
    refuse_status: int | None
    """When set, the next start commands are answered with this status of the family's table."""

    def write(self, characteristic: str, data: bytes, mtu: int) -> list[Push]:
        """Answers to a write."""

    def read(self, characteristic: str) -> bytes:
        """Value of a readable characteristic."""

    def encode(
        self,
        device_t_ns: NDArray[np.int64],
        accel: NDArray[np.floating],
        gyro: NDArray[np.floating] | None,
    ) -> Frame:
        """Packets for consecutive samples: device_t_ns (n,), accel and gyro (n, 3) SI."""

    def end(self) -> list[Push]:
        """The sensor itself ends the stream; what it tells the central about it."""

    def link_lost(self) -> None:
        """The connection ended without a command."""

    def reboot(self) -> None:
        """Power was off: forget everything."""
