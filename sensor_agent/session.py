"""One sensor from scan to samples, again and again until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from firmware_profiles.base import (
    AsksBattery,
    BatteryLevel,
    ConfigurationError,
    DecodeError,
    Decoder,
    Profile,
    ProfileError,
    Recorder,
    SampleBlock,
    StreamEnded,
    StreamRequest,
    Vibrator,
)
from firmware_profiles.bulk import decode_all
from firmware_profiles.registry import match, profile
from sensor_agent.batcher import Batcher, is_plausible
from sensor_agent.ble import (
    Link,
    NotInRangeError,
    Packet,
    Radio,
    RadioError,
    Sighting,
    StuckError,
)
from sensor_agent.clock import HostClock
from sensor_agent.device_clock import MAX_BACK_STEP_NS, SECOND_NS, DeviceClock, HostUtc
from sensor_agent.outbox import StreamEnd
from sensor_agent.recall import Memory
from sensor_agent.state import Backoff, Escalation, Event, Remedy, State, next_state
from wire.batch import Batch
from wire.ids import check_sensor, new_session
from wire.messages import Birth, Placement, Status

log = logging.getLogger(__name__)

AUTO = "auto"
SILENCE_S = 5.0
"""No sample for so long: stalled. Sensors send several packets a second, and a link that works
never holds them back longer than its supervision timeout (2 s as a rule)."""
SCAN_S = 5.0
"""Long enough to see every sensor around: they advertise at least once in 1.3 s."""
STEADY_S = 10.0
"""A stream of this length counts as a connection that worked."""
BATTERY_S = 300.0
STOP_STEPS_S = 2.5
"""For the commands that leave a sensor idle: within what the agent allows for stopping."""
COALESCE_S = 0.05
"""Packets are taken this often: at 20 sensors that halves the work, and nobody sees 50 ms."""
_TICK_S = 0.25


@dataclass(frozen=True, slots=True)
class SensorConfig:
    """One sensor of a wearer; raises IdError."""

    sensor: str
    placement: Placement
    profile: str = AUTO
    """Profile id, or "auto": the only sensor in range that any profile knows."""
    device: str | None = None
    """Advertised name, its last word (serial number), or address; None: the only one that fits."""
    axes: Mapping[str, str] | None = None
    """How it lies when worn, see wire.messages.Birth."""
    request: StreamRequest = field(default_factory=StreamRequest)
    backfill: bool = False
    """Let the sensor record in its own memory, and fill gaps from there if it can."""

    def __post_init__(self) -> None:
        check_sensor(self.sensor)
        if self.profile != AUTO:
            profile(self.profile)


@dataclass(slots=True)
class LinkCounters:
    """What happened on the radio so far."""

    dropped_packets: int = 0
    undecodable_packets: int = 0
    streams: int = 0


class StreamEndedError(RadioError):
    """The sensor stopped streaming and said so."""


class SensorSession:
    """Connects, configures, streams, watches, reconnects. `run` ends when it is cancelled."""

    def __init__(
        self,
        config: SensorConfig,
        radios: Sequence[Radio],
        clock: HostClock,
        utc: HostUtc,
        *,
        claimed: set[str],
        silence_s: float = SILENCE_S,
        new_id: Callable[[], str] = new_session,
        follows: StreamEnd | None = None,
        emit: Callable[[str, list[Batch]], None],
        announce: Callable[[str, Birth], None],
        changed: Callable[[], None],
    ) -> None:
        """claimed: addresses that this process's sessions use, shared by them; follows: where the
        sensor's stream broke off in an earlier run; emit, announce and changed are told batches,
        births and new states."""
        self.config = config
        self.session = new_id()
        self.state = State.WAITING
        self.problem: str | None = None
        """Why there is no stream, with advice; None when nothing is wrong."""
        self.counters = LinkCounters()
        self._utc, self._new_id = utc, new_id
        self.batcher = Batcher(self.session, DeviceClock(utc, _after(follows, clock)))
        self.batcher.follows = follows
        self.given_up_samples = 0
        """Samples that the agent took and had to drop."""
        self.last_stamp_ns: int | None = None
        """UTC of the newest sample handed on."""
        self._radios, self._clock, self._claimed = list(radios), clock, claimed
        self._silence_ns = round(silence_s * SECOND_NS)
        self._emit, self._announce, self._changed = emit, announce, changed
        self._backoff, self._escalation = Backoff(), Escalation()
        self.memory = Memory()
        self._known: Sighting | None = None
        self._battery_pct: int | None = None
        self._clock_err_ns: int | None = None
        self._birth: Birth | None = None
        self._found: Profile | None = None
        self._implausible = 0
        """Samples dropped for their values since the newest that was taken."""
        self._pulses_ms: asyncio.Queue[int] = asyncio.Queue(1)

    def vibrate(self, pulse_ms: int) -> bool:
        """Let the sensor's motor run once, now; False when it has none or nothing streams, or it
        is about to do so already."""
        found: object = self._found
        can = isinstance(found, Vibrator) and self.state is State.STREAMING
        if can and self._pulses_ms.empty():
            self._pulses_ms.put_nowait(pulse_ms)
            return True
        return False

    async def run(self) -> None:
        """Stream until cancelled; then the sensor is told to stop and the rest is handed on."""
        try:
            while True:
                remedy = Remedy.RETRY
                self._to(Event.BEGIN)
                try:
                    await self._attempt()
                except NotInRangeError as error:
                    self._complain(str(error))
                except (RadioError, ProfileError) as error:
                    self._complain(str(error))
                    remedy = self._escalation.failed()
                except Exception:
                    _raise_if_cancelled()
                    # one sensor's bug must not stop the others
                    log.exception("sensor %s: unexpected error", self.config.sensor)
                _raise_if_cancelled()
                self._to(Event.FAILED)
                await self._remedy(remedy)
                await self._clock.sleep(self._backoff.wait_s())
        finally:
            self._to(Event.STOP)

    def status(self, outbox_batches: int, open_fds: int | None, pending_batches: int = 0) -> Status:
        """How the sensor is doing now; pending_batches: those of its batches not yet on disk."""
        batches = self.batcher.counters
        return Status(
            session=self.session,
            at_ns=self._clock.utc_ns(),
            state=self.state,
            battery_pct=self._battery_pct,
            rssi_dbm=self._known.rssi_dbm if self._known else None,
            samples=batches.samples,
            lost_samples=batches.lost_samples + self.given_up_samples,
            duplicate_packets=batches.duplicate_blocks,
            dropped_packets=self.counters.dropped_packets,
            undecodable_packets=self.counters.undecodable_packets,
            reconnects=max(0, self.counters.streams - 1),
            clock_drift_ppm=self.batcher.clock.drift_ppm,
            clock_err_ns=self._clock_err_ns,
            batches=self.batcher.next_seq - pending_batches,
            outbox_batches=outbox_batches,
            open_fds=open_fds,
        )

    @property
    def _radio(self) -> Radio:
        return self._radios[0]

    async def _remedy(self, remedy: Remedy) -> None:
        """Beyond trying again; raises StuckError."""
        match remedy:
            case Remedy.FORGET:
                if self._known is not None:
                    await self._radio.forget(self._known)
                self._radios.append(self._radios.pop(0))
            case Remedy.RESET:
                log.warning("sensor %s: the Bluetooth adapter is restarted", self.config.sensor)
                await self._radio.reset()
            case Remedy.LEAVE:
                if not any(radio.streams for radio in self._radios):
                    raise StuckError(
                        f"sensor {self.config.sensor} cannot be connected",
                        "the agent ends so that it is started anew; if that does not help, "
                        "restart this machine's Bluetooth",
                    )

    async def _attempt(self) -> None:
        sighting, found = await self._find()
        self._known = sighting
        self._claimed.add(sighting.address)
        self._to(Event.FOUND)
        link = await self._radio.connect(sighting, self._clock)
        decoder: Decoder | None = None
        try:
            self._to(Event.CONNECTED)
            decoder = await self._configure(link, found)
            self._to(Event.CONFIGURED)
            self._begin(found, decoder)
            await self._stream(link, decoder)
        finally:
            await self._end(link, found, decoder)

    async def _configure(self, link: Link, found: Profile) -> Decoder:
        """Fetch what the sensor has kept, then start its stream, with a recording beside it."""
        request = replace(self.config.request, host_utc_us=self._clock.utc_ns() // 1000)
        recorder = found if self.config.backfill and isinstance(found, Recorder) else None
        if recorder is not None:
            if self.memory.is_recording:
                self._to(Event.RECALL)
                now_ns = self._clock.monotonic_ns()
                count = await self.memory.recall(
                    link, recorder, self.batcher, self._hand_on, now_ns
                )
                log.info("sensor %s: %d samples from its own memory", self.config.sensor, count)
                self._to(Event.RECALLED)
            await self.memory.record(link, recorder, request, self._clock.monotonic_ns())
        try:
            return await link.perform(found.configure(request, link.mtu), is_start=True)
        except ConfigurationError:
            if recorder is None or not self.memory.is_recording:
                raise
            await self.memory.abandon(link, recorder)
            return await link.perform(found.configure(request, link.mtu), is_start=True)

    # --- which device ---------------------------------------------------------------------------

    async def _find(self) -> tuple[Sighting, Profile]:
        is_named = self.config.device is not None or self._known is not None

        def wanted(sighting: Sighting) -> bool:
            return is_named and self._profile_of(sighting) is not None

        seen = await self._radio.find(wanted, SCAN_S)
        fits = [(s, p) for s in seen if (p := self._profile_of(s)) is not None]
        if not fits:
            raise NotInRangeError(
                "the sensor is not in range",
                "wear or wake it and bring it near; `trunkline scan` shows what is there",
            )
        if len(fits) > 1 and not is_named:
            raise NotInRangeError(
                f"{len(fits)} sensors in range fit",
                "name the one that is meant; `trunkline scan` shows their names",
            )
        return fits[-1]

    def _profile_of(self, sighting: Sighting) -> Profile | None:
        """The profile to use with a device, None when it is not this session's."""
        if not (self._is_known(sighting) if self._known else self._is_free(sighting)):
            return None
        if self.config.profile == AUTO:
            profiles = match(sighting.advertisement)
            return profiles[0] if len(profiles) == 1 else None
        chosen = profile(self.config.profile)
        # a device that was named may be called anything
        is_named = self.config.device is not None
        return chosen if is_named or chosen.matches(sighting.advertisement) else None

    def _is_known(self, sighting: Sighting) -> bool:
        """The device of the first connection; some change their address at every start."""
        known = self._known
        if known is None:
            return False
        name = sighting.advertisement.name
        same_name = bool(name) and name == known.advertisement.name
        # some families give all units one name: never another session's
        is_free = sighting.address not in self._claimed
        return sighting.address == known.address or (same_name and is_free)

    def _is_free(self, sighting: Sighting) -> bool:
        """Not another session's, and called as it should be."""
        if sighting.address in self._claimed:
            return False
        name = (sighting.advertisement.name or "").lower()
        names = {name, name.rpartition(" ")[2], sighting.address.lower()}
        return self.config.device is None or self.config.device.lower() in names

    # --- streaming ------------------------------------------------------------------------------

    def _begin(self, found: Profile, decoder: Decoder) -> None:
        self.batcher.link_started()
        self.counters.streams += 1
        self.problem = None
        self._tell(found, decoder)
        log.info("sensor %s streams at %g Hz", self.config.sensor, decoder.settings.rate_hz)

    def _renew(self, decoder: Decoder) -> None:
        """The host's clock was set back: what follows belongs to a new session."""
        self._hand_on(self.batcher.flush())
        self.session = self._new_id()
        self.batcher = Batcher(self.session, DeviceClock(self._utc), self.batcher.counters)
        if self._found is not None:
            self._tell(self._found, decoder)

    def _tell(self, found: Profile, decoder: Decoder) -> None:
        """Announce the session when there is something new to say of it."""
        self._found = found
        settings = decoder.settings
        self.batcher.clock.stamp_step_ns = settings.stamp_step_ns
        birth = Birth(
            session=self.session,
            profile=found.info.id,
            placement=self.config.placement,
            rate_hz=settings.rate_hz,
            quantities=[str(quantity) for quantity in settings.quantities],
            accel_range_g=settings.accel_range_g,
            gyro_range_dps=settings.gyro_range_dps,
            firmware=settings.firmware,
            axes=dict(self.config.axes) if self.config.axes else None,
        )
        if birth != self._birth:
            self._birth = birth
            self._announce(self.config.sensor, birth)

    async def _stream(self, link: Link, decoder: Decoder) -> None:
        """Take packets until the link is lost, silent, or the sensor ends the stream."""
        beside = [
            asyncio.create_task(self._watch_battery(link)),
            asyncio.create_task(self._pass_on_pulses(link)),
        ]
        radio = self._radio
        radio.streams += 1
        began_ns = heard_ns = self._clock.monotonic_ns()
        try:
            while True:
                packets = await link.receive(_TICK_S)
                now_ns = self._clock.monotonic_ns()
                if self._take(packets, decoder):
                    heard_ns = now_ns
                    self._escalation.worked()
                elif now_ns - heard_ns > self._silence_ns:
                    raise RadioError(
                        f"the sensor sent no samples for {self._silence_ns / SECOND_NS:g} s",
                        "it is connected again by itself",
                    )
                await asyncio.sleep(COALESCE_S)
        finally:
            radio.streams -= 1
            for task in beside:
                task.cancel()
            if self._clock.monotonic_ns() - began_ns > STEADY_S * SECOND_NS:
                self._backoff.reset()

    def _take(self, packets: list[Packet], decoder: Decoder) -> bool:
        """Decode packets and hand on what became full; True when there were samples."""
        if self.batcher.clock.is_over:
            self._renew(decoder)
        any_samples = False
        pairs = [(packet.characteristic, packet.data) for packet in packets]
        for place, found in decode_all(decoder, pairs):
            match found:
                case SampleBlock() if is_plausible(found):
                    any_samples = True
                    lost = found.lost_before + self._implausible
                    self._implausible = 0
                    block = replace(found, lost_before=lost)
                    self._hand_on(self.batcher.add(block, packets[place].arrival_ns))
                case BatteryLevel(percent=percent):
                    self._battery_pct = percent
                case StreamEnded(reason=reason):
                    raise StreamEndedError(
                        f"the sensor ended the stream ({reason})",
                        "it is connected again by itself",
                    )
                case SampleBlock(n=n):
                    self.counters.undecodable_packets += 1
                    self._implausible += n
                case DecodeError():
                    self.counters.undecodable_packets += 1
                    log.debug("sensor %s: %s", self.config.sensor, found)
        return any_samples

    def _hand_on(self, batches: list[Batch]) -> None:
        if batches:
            self._clock_err_ns = batches[-1].clock_err_ns
            self.last_stamp_ns = int(batches[-1].t_ns[-1])
            self._emit(self.config.sensor, batches)

    async def _watch_battery(self, link: Link) -> None:
        while True:
            level = await link.battery_pct()
            if level is not None and level != self._battery_pct:
                self._battery_pct = level
                self._changed()
            await self._clock.sleep(BATTERY_S)
            asked: object = self._found
            if isinstance(asked, AsksBattery):
                with suppress(RadioError):  # the stream itself finds out that the link is lost
                    await link.perform(asked.ask_battery())

    async def _pass_on_pulses(self, link: Link) -> None:
        while True:
            pulse_ms = await self._pulses_ms.get()
            found: object = self._found
            if isinstance(found, Vibrator):
                with suppress(RadioError):  # the stream itself finds out that the link is lost
                    await link.perform(found.vibrate(pulse_ms))

    async def _end(self, link: Link, found: Profile, decoder: Decoder | None) -> None:
        """Leave the sensor idle if it still listens; hand on what came until then; disconnect,
        whatever happens: a link that stays open hides the sensor from every later scan."""
        try:
            # who is stopped in mid-configuration may have started it already
            if decoder is not None or _is_cancelled():
                await self._leave_idle(link, found)
            if decoder is not None:
                with suppress(RadioError):
                    self._take(await link.receive(0), decoder)
        finally:
            try:
                self._hand_on(self.batcher.flush())
                if _is_cancelled():  # before the disconnect, which takes its time
                    self._to(Event.STOP)
            finally:
                self.counters.dropped_packets += link.dropped
                await link.close()

    async def _leave_idle(self, link: Link, found: Profile) -> None:
        try:
            async with asyncio.timeout(STOP_STEPS_S):
                await link.perform(found.stop())
        except TimeoutError:
            log.warning(
                "sensor %s did not answer when it was told to stop; if it goes on measuring, "
                "take it off or switch it off, for its battery's sake",
                self.config.sensor,
            )
        except (RadioError, ProfileError) as error:
            log.debug("sensor %s was not told to stop: %s", self.config.sensor, error)
        if isinstance(found, Recorder) and _is_cancelled():
            await self.memory.stop(link, found)

    # --- state ----------------------------------------------------------------------------------

    def _to(self, event: Event) -> None:
        self.state = next_state(self.state, event)
        log.debug("sensor %s: %s", self.config.sensor, self.state)
        self._changed()

    def _complain(self, problem: str) -> None:
        """Log a problem once, not at every retry."""
        if problem != self.problem:
            log.warning("sensor %s: %s", self.config.sensor, problem)
        self.problem = problem


def _after(follows: StreamEnd | None, clock: HostClock) -> int | None:
    """What the first stamp must lie behind; nothing when the clock has been set since."""
    if follows is None or follows.end_ns - clock.utc_ns() > MAX_BACK_STEP_NS:
        return None
    return follows.end_ns


def _raise_if_cancelled() -> None:
    """A radio library may answer a cancellation with an error of its own; the wish stands."""
    if _is_cancelled():
        raise asyncio.CancelledError


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
