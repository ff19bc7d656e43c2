"""`trunkline lsl`: what travels on the broker as streams of the Lab Streaming Layer."""

from __future__ import annotations

import dataclasses
import logging
import signal
import threading
from typing import Any

import click

from trunkline.options import BrokerOptions, broker_options
from wire.topics import Kind, filter_all


@click.command()
@click.option("--wearer", help="Only this wearer's sensors.")
@broker_options
def command(*, wearer: str | None, broker: BrokerOptions) -> None:
    """Make an LSL stream of every sensor that sends, until stopped, for LabRecorder and the like.

    Samples keep their own times; a stream is about a second behind. Needs the extra `lsl`. Whoever
    is on the network can read LSL streams: run it where only the laboratory is.

    \b
    Example: trunkline lsl --broker server.example:8883 --tls-ca ca.crt --user server \\
        --password-file server.password
    """
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    # Imported late: `--help` and mistakes need neither paho nor the library.
    from analytics.broker import Broker, BrokerError, Client, keep_connected

    try:
        from trunkline.lsl_bridge import Bridge
    except (ImportError, RuntimeError) as error:
        raise click.ClickException(
            f"the library of the Lab Streaming Layer cannot be used ({error}); install it with: "
            "pip install 'trunkline[lsl]'"
        ) from error
    address, bridge, stop = Broker(**dataclasses.asdict(broker)), Bridge(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    topics = filter_all(Kind.IMU) if wearer is None else f"trunkline/v1/{wearer}/+/{Kind.IMU}"

    def make() -> Client:
        client = address.client("", keep_session=False, manual_ack=False)
        client.on_message = take
        return client

    def take(_client: Client, _data: Any, message: Any) -> None:
        bridge.take(message.topic, message.payload)

    def work(client: Client) -> None:
        client.subscribe(topics, 0)
        while not stop.is_set() and not client.loop(0.2):
            pass

    try:
        keep_connected(address, stop, make, work)
    except BrokerError as error:
        raise click.ClickException(str(error)) from error
    finally:
        bridge.close()
