"""`trunkline replay`: a recording through a virtual sensor and the ordinary agent."""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from analytics.recording import Recording, RecordingError, read_recording
from firmware_profiles.base import StreamRequest
from firmware_profiles.registry import UnknownProfileError
from sensor_agent.agent import Agent, AgentConfig, AgentReport
from sensor_agent.ble import Radio
from sensor_agent.broker import BrokerConfigError
from sensor_agent.clock import HostClock, ScaledClock, SystemClock
from sensor_agent.outbox import OutboxError
from sensor_agent.session import SILENCE_S, SensorConfig
from sensor_agent.state import State
from sensor_agent.virtual.encoders import encoder_for
from sensor_agent.virtual.motion import Motion, MotionError
from sensor_agent.virtual.peripheral import VirtualSensor
from sensor_agent.virtual.playback import Conditions
from sensor_agent.virtual.world import VirtualWorld
from trunkline.commands.agent import broker_config, stop_on_signals
from trunkline.options import BrokerOptions, broker_options, profiles_dir_option
from trunkline.sensor_file import DEFAULT_SENSOR
from wire.ids import IdError
from wire.messages import Mark, Placement

SECOND_NS = 1_000_000_000
SERIAL = "00000001"
"""Of the virtual sensor; a device known by name is found at once."""
LONG_GAP_S = 1.0
PROGRESS_S = 5.0


@dataclass(frozen=True, slots=True)
class Replay:
    """What is played and how."""

    recording: Recording
    profile: str
    speed: float
    start_utc: datetime | None
    loop: bool
    timeout_s: float


def _checked_profile(_ctx: click.Context, _option: click.Parameter, name: str) -> str:
    try:
        encoder_for(name)
    except UnknownProfileError as error:
        raise click.BadParameter(str(error)) from error
    return name


@click.command()
@click.argument("recording", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--wearer", required=True, help="Pseudonym of who wore the sensor.")
@click.option("--sensor", default=DEFAULT_SENSOR, show_default=True, help="Sensor id.")
@click.option(
    "--profile",
    default="movesense",
    show_default=True,
    metavar="NAME",
    callback=_checked_profile,
    help="Sensor to play as; `trunkline profiles` lists them.",
)
@click.option(
    "--placement",
    type=click.Choice([p.value for p in Placement]),
    help="Where the sensor was worn.  [default: as the recording says]",
)
@click.option("--speed", default=1.0, show_default=True, type=click.FloatRange(0.1, 200))
@click.option(
    "--start-utc",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]),
    help="Time of the first sample, UTC.  [default: now]",
)
@click.option("--loop", is_flag=True, help="Begin again at the end, until stopped.")
@click.option(
    "--timeout",
    "timeout_s",
    default=60.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Seconds to wait at the end until the store has everything.",
)
@click.option(
    "--outbox",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for what is not delivered yet.  [default: a temporary one]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@profiles_dir_option
@broker_options
def command(
    *,
    recording: Path,
    wearer: str,
    sensor: str,
    profile: str,
    placement: str | None,
    speed: float,
    start_utc: datetime | None,
    loop: bool,
    timeout_s: float,
    outbox: Path | None,
    as_json: bool,
    broker: BrokerOptions,
) -> None:
    """Play a recording through a virtual Bluetooth sensor and the ordinary agent.

    Ends when the store has every sample. Gaps in the recording are bridged by straight lines.

    \b
    Example: trunkline replay day.parquet --wearer p-001 --speed 20 --password-file secret
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("bumble").setLevel(logging.ERROR)
    try:
        source = read_recording(recording)
    except RecordingError as error:
        raise click.ClickException(str(error)) from error
    replay = Replay(source, profile, speed, start_utc, loop, timeout_s)
    keep = nullcontext(str(outbox.parent)) if outbox else tempfile.TemporaryDirectory()
    with keep as folder:
        try:
            config = AgentConfig(
                wearer=wearer,
                broker=broker_config(broker, wearer),
                outbox_path=outbox or Path(folder) / "outbox.db",
                sensors=(_sensor_config(source, sensor, profile, placement),),
                silence_s=SILENCE_S * max(1.0, speed),  # a busy machine is late in real seconds
            )
        except (IdError, ValueError) as error:
            raise click.UsageError(str(error)) from error
        try:
            report, is_whole = asyncio.run(_run(replay, config))
        except (OutboxError, BrokerConfigError, MotionError) as error:
            raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(asdict(report)))
    else:
        click.echo(f"{report.samples} samples sent, {report.committed_samples} committed")
    if report.waiting_batches and is_whole:
        kept = f"run the agent with --outbox {outbox} to deliver them" if outbox else "replay again"
        raise click.ClickException(
            f"{report.waiting_batches} batches were not committed; check that broker and ingest "
            f"run, then {kept}"
        )


async def _run(replay: Replay, config: AgentConfig) -> tuple[AgentReport, bool]:
    """(what was done, whether the recording was played to its end)."""
    clock = _clock(replay)
    interrupted, stop = stop_on_signals(), asyncio.Event()
    async with VirtualWorld(clock) as world:
        sensor = await world.add_sensor(
            replay.profile,
            motion_of(replay.recording),
            name_suffix=SERIAL,
            conditions=Conditions(loop=replay.loop, keep_sent=False),
        )
        radio = Radio(scanner_backend=world.scanner_backend, client_backend=world.client_backend)
        agent = Agent(config, clock, radio)
        mark = asyncio.create_task(_mark_upright(replay.recording, agent, sensor, clock))
        begin = asyncio.create_task(_begin_at(replay.start_utc, sensor, clock))
        others: list[asyncio.Task[Any]] = [
            mark,
            begin,
            asyncio.create_task(_set_after(interrupted, stop)),
            asyncio.create_task(_set_after(sensor.finished, stop)),
        ]

        if not replay.loop:
            others.append(asyncio.create_task(_tell_progress(replay.recording, sensor, clock)))

        async def finish() -> None:
            """At the recording's end, not when told to stop, wait for the store."""
            told = asyncio.create_task(interrupted.wait())
            done = asyncio.create_task(_all_stored(mark, agent))
            await asyncio.wait(
                [told, done], timeout=replay.timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            others.extend([told, done])

        try:
            report = await agent.run(stop, finish)
            return report, not interrupted.is_set()
        finally:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)


async def _begin_at(start_utc: datetime | None, sensor: VirtualSensor, clock: HostClock) -> None:
    """Lay UTC over the clock so that the first sample is at `start_utc`.

    In time: the agent stamps nothing before it has seen two seconds and taken packets twice.
    """
    if start_utc is not None and isinstance(clock, ScaledClock):
        clock.set_utc(await _origin_ns(sensor), _utc_ns(start_utc))


async def _origin_ns(sensor: VirtualSensor) -> int:
    while sensor.origin_ns is None:
        await asyncio.sleep(0.002)
    return sensor.origin_ns


async def _set_after(first: asyncio.Event, then: asyncio.Event) -> None:
    await first.wait()
    then.set()


async def _all_stored(mark: asyncio.Task[None], agent: Agent) -> None:
    await mark
    await agent.drained()


async def _mark_upright(
    recording: Recording, agent: Agent, sensor: VirtualSensor, clock: HostClock
) -> None:
    """Publish the recording's upright reference once the store has its samples."""
    (session,) = agent.sessions.values()
    if recording.upright_reference is None or recording.reference_posture is None:
        return
    start_ns, end_ns = (round(t_s * SECOND_NS) for t_s in recording.upright_reference)
    first_ns = await _origin_ns(sensor)
    while clock.monotonic_ns() <= first_ns + end_ns or session.last_stamp_ns is None:
        await asyncio.sleep(0.05)
    origin_ns = first_ns + clock.utc_ns() - clock.monotonic_ns()
    while session.last_stamp_ns <= origin_ns + end_ns:
        if session.state is State.STOPPED:
            return
        await asyncio.sleep(0.05)
    await agent.committed(session.session)
    agent.mark(
        Mark(
            at_ns=origin_ns + start_ns,
            kind="upright",
            sensor=session.config.sensor,
            end_ns=origin_ns + end_ns,
            posture=recording.reference_posture,
        )
    )


async def _tell_progress(recording: Recording, sensor: VirtualSensor, clock: HostClock) -> None:
    first_ns = await _origin_ns(sensor)
    while not sensor.finished.is_set():
        await asyncio.sleep(PROGRESS_S)
        played_s = min((clock.monotonic_ns() - first_ns) / SECOND_NS, recording.duration_s)
        click.echo(f"played {played_s:.0f} s of {recording.duration_s:.0f} s", err=True)


def motion_of(recording: Recording) -> Motion:
    """The recording on an even grid without missing values."""
    rate_hz = recording.rate_hz
    t_s = recording.t_s
    grid_s = t_s[0] + np.arange(int((t_s[-1] - t_s[0]) * rate_hz) + 1) / rate_hz
    gap_s = np.diff(t_s, prepend=t_s[0])
    if long_s := float(gap_s[gap_s > LONG_GAP_S].sum()):
        click.echo(f"{long_s:.0f} s of gaps are bridged by straight lines", err=True)
    gyro = None if recording.gyro is None else _even(grid_s, t_s, recording.gyro)
    return Motion(rate_hz, _even(grid_s, t_s, recording.accel), gyro)


def _even(
    grid_s: NDArray[np.float64], t_s: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    known = np.isfinite(values).all(axis=1)
    if not known.any():
        raise MotionError("the recording has no values at all; give another one")
    columns = [np.interp(grid_s, t_s[known], column) for column in values[known].T]
    return np.stack(columns, axis=1)


def _sensor_config(
    recording: Recording, sensor: str, profile: str, placement: str | None
) -> SensorConfig:
    where = placement or recording.placement
    if where not in set(Placement):
        raise click.UsageError("the recording does not say where it was worn; give --placement")
    axes = {name: axis for name, axis in recording.axes.items() if axis}
    return SensorConfig(
        sensor=sensor,
        placement=Placement(where),
        profile=profile,
        device=SERIAL,
        axes=axes or None,
        request=StreamRequest(rate_hz=recording.rate_hz),
    )


def _clock(replay: Replay) -> HostClock:
    if replay.speed == 1.0 and replay.start_utc is None:
        return SystemClock()
    if replay.start_utc is None:
        return ScaledClock(replay.speed)
    # early: until the first sample tells, and then UTC only steps forward, which is followed
    return ScaledClock(replay.speed, _utc_ns(replay.start_utc) - 24 * 3600 * SECOND_NS)


def _utc_ns(moment: datetime) -> int:
    return round(moment.replace(tzinfo=UTC).timestamp()) * SECOND_NS
