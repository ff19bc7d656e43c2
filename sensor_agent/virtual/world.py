"""Virtual sensors and a virtual Bluetooth adapter, ready to be used through plain bleak."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import BaseBleakScanner

from sensor_agent.clock import HostClock, SystemClock
from sensor_agent.virtual.bleak_backend import bind_backend
from sensor_agent.virtual.encoders import encoder_for
from sensor_agent.virtual.motion import Motion, MotionError
from sensor_agent.virtual.peripheral import VirtualSensor
from sensor_agent.virtual.playback import Conditions, Playback
from sensor_agent.virtual.radio import SUPERVISION_TIMEOUT_S, VirtualAir, VirtualRadio


class VirtualWorld:
    """A piece of air with one adapter (the host's) and any number of sensors.

    Example:

        async with VirtualWorld(SystemClock()) as world:
            sensor = await world.add_sensor("movesense", motion)
            device = await BleakScanner.find_device_by_name(
                sensor.name, backend=world.scanner_backend
            )
            async with BleakClient(device, backend=world.client_backend) as client:
                ...

    Sensors play their motion by `clock`: with a ScaledClock everything that concerns samples runs
    faster, while radio time-outs stay real. `sensor.sent` holds what went out (device stamps and
    SI values), `sensor.finished` is set at the end of the recording, and `sensor.stall()`,
    `resume()`, `out_of_range()`, `back_in_range()`, `lose_link()`, `reboot()`, `duplicates` and
    `encoder.refuse_status` make it fail.
    """

    scanner_backend: type[BaseBleakScanner]
    """For `BleakScanner(backend=...)`; set on entry."""
    client_backend: type[BaseBleakClient]
    """For `BleakClient(backend=...)`; set on entry."""

    def __init__(
        self,
        clock: HostClock | None = None,
        supervision_timeout_s: float = SUPERVISION_TIMEOUT_S,
    ) -> None:
        self.clock = clock or SystemClock()
        self.sensors: list[VirtualSensor] = []
        self._supervision_timeout_s = supervision_timeout_s

    async def __aenter__(self) -> Self:
        self.air = VirtualAir(self._supervision_timeout_s)
        self._central = VirtualRadio(self.air, "host adapter", "C0:00:00:00:00:01").device
        await self._central.power_on()
        self.scanner_backend, self.client_backend = bind_backend(self._central)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for sensor in self.sensors:
            await sensor.close()
        self.air.close()
        await self._central.power_off()

    async def add_sensor(
        self,
        profile_id: str,
        motion: Motion,
        *,
        name_suffix: str | None = None,
        conditions: Conditions | None = None,
    ) -> VirtualSensor:
        """Switch a sensor on; it advertises at once.

        Raises KeyError for an unknown profile and MotionError when the recording lacks what the
        sensor measures: missing rotation is not rest.
        """
        conditions = conditions or Conditions()
        number = len(self.sensors) + 1
        encoder = encoder_for(profile_id)(name_suffix or f"{number:08d}")
        if encoder.measures_rotation and motion.gyro is None:
            raise MotionError(
                f"the recording has no rotation, which {profile_id} always sends; "
                "choose a sensor without gyroscope, for example polar_h10"
            )
        address = f"C4:F1:00:00:{number >> 8:02X}:{number & 255:02X}"
        radio = VirtualRadio(self.air, encoder.name, address)
        playback = Playback(motion, self.clock, conditions)
        sensor = VirtualSensor(encoder, playback, radio, conditions)
        await sensor.start()
        self.sensors.append(sensor)
        return sensor
