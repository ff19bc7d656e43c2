"""`trunkline agent`: the sensors of one wearer, or of several, to the broker."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import click

from firmware_profiles.base import StreamRequest
from firmware_profiles.registry import UnknownProfileError
from sensor_agent.agent import Agent, AgentConfig, Shared, run_agents
from sensor_agent.ble import Radio, RadioError
from sensor_agent.broker import BrokerConfig, BrokerConfigError
from sensor_agent.clock import SystemClock
from sensor_agent.outbox import OutboxError
from sensor_agent.session import AUTO, SensorConfig
from trunkline.options import (
    BrokerOptions,
    broker_options,
    default_data_dir,
    profiles_dir_option,
    secret_from,
)
from trunkline.sensor_file import (
    DEFAULT_SENSOR,
    SensorFileError,
    WearerPlan,
    check_axes,
    read_sensor_file,
)
from trunkline.service import running
from wire.ids import IdError
from wire.messages import Placement


@click.command()
@click.option("--wearer", help="Pseudonym of who wears the sensors.")
@click.option(
    "--sensor",
    "sensors",
    multiple=True,
    metavar="[ID=]PROFILE[@NAME]",
    help="Sensor to stream; repeatable. ID defaults to trunk, PROFILE may be auto, NAME is the "
    "advertised name, its last word or the address; without it the only one in range is taken.",
)
@click.option(
    "--placement",
    "placements",
    multiple=True,
    type=click.Choice([p.value for p in Placement]),
    help="Where it is worn; one for each --sensor, in the same order.",
)
@click.option(
    "--axes",
    multiple=True,
    metavar="ID:up=+x[,forward=..][,left=..]",
    help="How a sensor lies when worn; repeatable.",
)
@click.option(
    "--sensors",
    "sensor_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file of sensors and who wears them, instead of the options above; "
    "see docs/deployment.md.",
)
@click.option("--rate-hz", default=50.0, show_default=True, type=click.FloatRange(1, 2000))
@click.option(
    "--backfill",
    is_flag=True,
    help="Let sensors that can (see `trunkline profiles`) record in their own memory too, and "
    "fetch from there what was measured out of range.",
)
@click.option(
    "--adapter",
    "adapters",
    metavar="HCI",
    multiple=True,
    help="Bluetooth adapter, e.g. hci1; of several each sensor takes the next.  [default: any]",
)
@click.option(
    "--outbox",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for what is not delivered yet.  [default: in the user's data folder]",
)
@profiles_dir_option
@broker_options
def command(
    *,
    wearer: str | None,
    sensors: tuple[str, ...],
    placements: tuple[str, ...],
    axes: tuple[str, ...],
    sensor_file: Path | None,
    rate_hz: float,
    backfill: bool,
    adapters: tuple[str, ...],
    outbox: Path | None,
    broker: BrokerOptions,
) -> None:
    """Stream the sensors of one wearer, or of several, to the broker until stopped.

    Every sample is kept on disk until the server's database has it.

    \b
    Example: trunkline agent --wearer p-001 --sensor auto --placement T12
             trunkline agent --wearer p-001 --sensor trunk=movesense@203330001 --placement T12 \\
               --sensor thigh=movesense@203330002 --placement thigh_left --broker clinic:8883 \\
               --tls-ca ca.pem --user p-001 --password-file secret
             trunkline agent --sensors sensors.toml --broker clinic:8883 --tls-ca ca.pem
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if sensor_file is not None:
            if wearer or sensors or placements or axes or outbox:
                raise click.UsageError(
                    "--sensors says it all: leave --wearer, --sensor, --placement, --axes and "
                    "--outbox out"
                )
            plans = read_sensor_file(sensor_file, rate_hz, backfill)
        else:
            if not wearer or not sensors:
                raise click.UsageError("give --wearer, --sensor and --placement, or --sensors FILE")
            worn = _worn(sensors, placements, axes, rate_hz, backfill)
            plans = [WearerPlan(wearer, worn, outbox=outbox)]
        configs = [_config(plan, broker, is_alone=len(plans) == 1) for plan in plans]
    except (IdError, UnknownProfileError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    asyncio.run(_run(configs, adapters or (None,)))


def _config(plan: WearerPlan, options: BrokerOptions, *, is_alone: bool) -> AgentConfig:
    """A wearer's agent enters the broker by the wearer's own account; what the options say of an
    account is for a wearer who is alone."""
    is_own = plan.password_file is not None or plan.tls_cert is not None
    if not is_own and not is_alone and (options.user or options.password_file or options.tls_cert):
        raise click.UsageError(
            f"{plan.wearer} has no account: with several wearers give each a table "
            f"[wearer.{plan.wearer}] with password_file"
        )
    if plan.password_file is not None:
        secret = secret_from(plan.password_file)
        options = replace(
            options, user=plan.wearer, password=secret, password_file=plan.password_file
        )
    if plan.tls_cert is not None:
        options = replace(options, tls=True, tls_cert=plan.tls_cert, tls_key=plan.tls_key)
    return AgentConfig(
        wearer=plan.wearer,
        broker=broker_config(options, plan.wearer),
        outbox_path=plan.outbox or default_data_dir() / f"outbox-{plan.wearer}.db",
        sensors=plan.sensors,
    )


def _worn(
    sensors: tuple[str, ...],
    placements: tuple[str, ...],
    axes: tuple[str, ...],
    rate_hz: float,
    backfill: bool,
) -> tuple[SensorConfig, ...]:
    if len(placements) != len(sensors):
        raise click.UsageError(
            f"{len(sensors)} --sensor and {len(placements)} --placement: give one for each"
        )
    lying = dict(_parse_axes(text) for text in axes)
    found = tuple(
        replace(_parse_sensor(text, Placement(placement), lying, rate_hz), backfill=backfill)
        for text, placement in zip(sensors, placements, strict=True)
    )
    if unknown := lying.keys() - {sensor.sensor for sensor in found}:
        raise click.BadParameter(f"no sensor is called {min(unknown)}", param_hint="--axes")
    return found


async def _run(configs: Sequence[AgentConfig], adapters: Sequence[str | None]) -> None:
    clock, radios = SystemClock(), [Radio(adapter) for adapter in adapters]
    shared, agents = Shared(clock), []
    try:
        for config in configs:
            agents.append(Agent(config, clock, *radios, shared=shared))
    except (OutboxError, BrokerConfigError) as error:
        for made in agents:
            made.outbox.close()
        raise click.ClickException(str(error)) from error
    async with running():
        try:
            reports = await run_agents(agents, stop_on_signals())
        except RadioError as error:
            raise click.ClickException(str(error)) from error
    for config, report in zip(configs, reports, strict=True):
        who = f"{config.wearer}: " if len(configs) > 1 else ""
        click.echo(
            f"{who}{report.samples} samples taken, {report.committed_samples} stored, "
            f"{report.waiting_batches} batches wait for the next start"
        )


def stop_on_signals() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # Windows: Ctrl-C ends the process
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def broker_config(options: BrokerOptions, wearer: str) -> BrokerConfig:
    """The agent's broker settings; its account is named as the wearer's pseudonym."""
    return BrokerConfig(
        host=options.host,
        port=options.port,
        user=options.user or (wearer if options.password and wearer else None),
        password=options.password,
        password_file=options.password_file,
        tls=options.tls,
        ca_file=options.tls_ca,
        cert_file=options.tls_cert,
        key_file=options.tls_key,
        mqtt5=options.mqtt5,
    )


def _parse_sensor(
    text: str, placement: Placement, lying: dict[str, dict[str, str]], rate_hz: float
) -> SensorConfig:
    what, _, device = text.partition("@")
    left, equals, right = what.partition("=")
    sensor, profile = (left, right) if equals else (DEFAULT_SENSOR, left)
    return SensorConfig(
        sensor=sensor,
        placement=placement,
        profile=profile or AUTO,
        device=device or None,
        axes=lying.get(sensor),
        request=StreamRequest(rate_hz=rate_hz),
    )


def _parse_axes(text: str) -> tuple[str, dict[str, str]]:
    sensor, _, pairs = text.rpartition(":")
    try:
        axes = check_axes(dict(pair.partition("=")[::2] for pair in pairs.split(",")))
    except SensorFileError:
        raise click.BadParameter(
            f"{text!r} is not understood; write for example trunk:up=+x,forward=-z",
            param_hint="--axes",
        ) from None
    return sensor or DEFAULT_SENSOR, axes
