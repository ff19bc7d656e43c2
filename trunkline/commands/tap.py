"""`trunkline tap`: what travels on the broker, as JSON lines."""

from __future__ import annotations

import json
import queue
import time
from typing import Any

import click
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from sensor_agent.broker import BrokerConfig, BrokerConfigError, refused, tls_context, unreachable
from trunkline.commands.agent import broker_config
from trunkline.options import BrokerOptions, broker_options
from wire.batch import UNITS, Batch, BatchError
from wire.codec import decode
from wire.messages import MessageError, load_json
from wire.topics import ROOT

MAX_WAITING = 10_000


@click.command()
@click.argument("topic_filter", metavar="[FILTER]", default=f"{ROOT}/#")
@click.option("--full", is_flag=True, help="Samples too, not only their number and range.")
@click.option("--count", type=click.IntRange(1), help="End after so many messages.")
@click.option("--seconds", type=click.FloatRange(0.1), help="End after so long.")
@broker_options
def command(
    *,
    topic_filter: str,
    full: bool,
    count: int | None,
    seconds: float | None,
    broker: BrokerOptions,
) -> None:
    """Print every message on the broker as one JSON object per line, until stopped.

    \b
    Example: trunkline tap 'trunkline/v1/+/+/imu' --user server --password-file secret
    """
    config = broker_config(broker, "")
    arrived: queue.Queue[MQTTMessage | Exception] = queue.Queue(MAX_WAITING)
    client = _client(config, topic_filter, arrived)
    try:
        client.connect(config.host, config.port)
    except OSError as error:
        raise click.ClickException(unreachable(config, error)) from error
    client.loop_start()
    deadline_s = time.monotonic() + seconds if seconds else None
    try:
        while count is None or count > 0:
            left_s = deadline_s - time.monotonic() if deadline_s else None
            message = arrived.get(timeout=None if left_s is None else max(0.0, left_s))
            if isinstance(message, Exception):
                raise message
            click.echo(json.dumps(describe(message, full=full)))
            count = None if count is None else count - 1
    except queue.Empty:
        return
    finally:
        client.disconnect()
        client.loop_stop()


def describe(message: MQTTMessage, *, full: bool) -> dict[str, Any]:
    """The JSON object of a message."""
    payload = bytes(message.payload)
    said: dict[str, Any] = {"topic": message.topic, "retained": message.retain}
    try:
        if message.topic.endswith("/imu"):
            return said | {"batch": _batch(decode(payload), full=full), "bytes": len(payload)}
        return said | {"message": load_json(payload) if payload else None}
    except (BatchError, MessageError) as error:
        return said | {"error": str(error), "bytes": len(payload)}


def _batch(batch: Batch, *, full: bool) -> dict[str, Any]:
    channels = {}
    for name, channel in batch.channels.items():
        values = channel.si()
        channels[name] = {"unit": UNITS[name], "type": str(channel.raw.dtype)} | (
            {"values": values.round(6).tolist()}
            if full
            else {
                "min": values.min(axis=0).round(3).tolist(),
                "max": values.max(axis=0).round(3).tolist(),
            }
        )
    return {
        "session": batch.session,
        "seq": batch.seq,
        "floor_seq": batch.floor_seq,
        "t0_ns": batch.t0_ns,
        "dt_ns": batch.dt_ns,
        "n": batch.n,
        "rx_ns": batch.rx_ns,
        "clock_err_ns": batch.clock_err_ns,
        "lost": batch.lost,
        "flags": [flag.name for flag in batch.flags],
        "channels": channels,
    }


def _client(
    config: BrokerConfig, topic_filter: str, arrived: queue.Queue[MQTTMessage | Exception]
) -> Client:
    protocol = MQTTProtocolVersion.MQTTv5 if config.mqtt5 else MQTTProtocolVersion.MQTTv311
    client = Client(CallbackAPIVersion.VERSION2, protocol=protocol)
    try:
        if config.tls:
            client.tls_set_context(tls_context(config))
    except BrokerConfigError as error:
        raise click.ClickException(str(error)) from error
    if config.user is not None:
        client.username_pw_set(config.user, config.password)

    def on_connect(_client: object, _data: object, _flags: object, reason: Any, _p: object) -> None:
        if reason.is_failure:
            arrived.put(click.ClickException(refused(config, str(reason))))
        else:
            client.subscribe(topic_filter, qos=1)

    def on_subscribe(_c: object, _data: object, _mid: object, reasons: Any, _p: object) -> None:
        if any(reason.is_failure for reason in reasons):
            text = f"the broker does not let this account see {topic_filter}; give another FILTER"
            arrived.put(click.ClickException(text))

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = lambda _client, _data, message: arrived.put(message)
    return client
