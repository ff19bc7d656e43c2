"""`trunkline agent`: one wearer's sensors to the broker."""

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
from sensor_agent.agent import Agent, AgentConfig
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
)
from trunkline.service import running
from wire.ids import IdError
from wire.messages import AXES, AXIS_NAMES, Placement

DEFAULT_SENSOR = "trunk"


@click.command()
@click.option("--wearer", required=True, help="Pseudonym of who wears the sensors.")
@click.option(
    "--sensor",
    "sensors",
    multiple=True,
    required=True,
    metavar="[ID=]PROFILE[@NAME]",
    help="Sensor to stream; repeatable. ID defaults to trunk, PROFILE may be auto, NAME is the "
    "advertised name, its last word or the address; without it the only one in range is taken.",
)
@click.option(
    "--placement",
    "placements",
    multiple=True,
    required=True,
    type=click.Choice([p.value for p in Placement]),
    help="Where it is worn; one for each --sensor, in the same order.",
)
@click.option(
    "--axes",
    multiple=True,
    metavar="ID:up=+x[,forward=..][,left=..]",
    help="How a sensor lies when worn; repeatable.",
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
    wearer: str,
    sensors: tuple[str, ...],
    placements: tuple[str, ...],
    axes: tuple[str, ...],
    rate_hz: float,
    backfill: bool,
    adapters: tuple[str, ...],
    outbox: Path | None,
    broker: BrokerOptions,
) -> None:
    """Stream a wearer's sensors to the broker until stopped.

    Every sample is kept on disk until the server's database has it.

    \b
    Example: trunkline agent --wearer p-001 --sensor auto --placement T12
             trunkline agent --wearer p-001 --sensor trunk=movesense@203330001 --placement T12 \\
               --sensor thigh=movesense@203330002 --placement thigh_left --broker clinic:8883 \\
               --tls-ca ca.pem --user p-001 --password-file secret
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if len(placements) != len(sensors):
        raise click.UsageError(
            f"{len(sensors)} --sensor and {len(placements)} --placement: give one for each"
        )
    lying = dict(_parse_axes(text) for text in axes)
    try:
        config = AgentConfig(
            wearer=wearer,
            broker=broker_config(broker, wearer),
            outbox_path=outbox or default_data_dir() / f"outbox-{wearer}.db",
            sensors=tuple(
                replace(
                    _parse_sensor(text, Placement(placement), lying, rate_hz), backfill=backfill
                )
                for text, placement in zip(sensors, placements, strict=True)
            ),
        )
    except (IdError, UnknownProfileError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    if unknown := lying.keys() - {sensor.sensor for sensor in config.sensors}:
        raise click.BadParameter(f"no sensor is called {min(unknown)}", param_hint="--axes")
    asyncio.run(_run(config, adapters or (None,)))


async def _run(config: AgentConfig, adapters: Sequence[str | None]) -> None:
    try:
        agent = Agent(config, SystemClock(), *(Radio(adapter) for adapter in adapters))
    except (OutboxError, BrokerConfigError) as error:
        raise click.ClickException(str(error)) from error
    async with running():
        try:
            report = await agent.run(stop_on_signals())
        except RadioError as error:
            raise click.ClickException(str(error)) from error
    click.echo(
        f"{report.samples} samples taken, {report.committed_samples} stored, "
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
    axes = dict(pair.partition("=")[::2] for pair in pairs.split(","))
    if not all(name in AXIS_NAMES and axis in AXES for name, axis in axes.items()):
        raise click.BadParameter(
            f"{text!r} is not understood; write for example trunk:up=+x,forward=-z",
            param_hint="--axes",
        )
    return sensor or DEFAULT_SENSOR, axes
