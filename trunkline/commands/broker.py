"""`trunkline broker`: the embedded broker alone; `up` starts it so."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path

import click

from trunkline.broker import serve
from trunkline.deployment import broker_accounts


@click.command()
@click.option("--mqtt-host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--mqtt-port", default=1883, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--secrets-dir",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder that `trunkline deploy` has written.",
)
def command(mqtt_host: str, mqtt_port: int, secrets_dir: Path) -> None:
    """Run the embedded MQTT broker, for one machine. Use mosquitto in a deployment.

    \b
    Example: trunkline broker --secrets-dir deploy/secrets
    """
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(mqtt_host, mqtt_port, broker_accounts(secrets_dir), stop)

    try:
        asyncio.run(run())
    except FileNotFoundError as error:
        raise click.ClickException(
            f"{secrets_dir} has no broker accounts; run: trunkline deploy --secrets-dir "
            f"{secrets_dir} --wearer PSEUDONYM"
        ) from error
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {mqtt_host}:{mqtt_port} ({error.strerror}); "
            "another broker may be running: choose another --mqtt-port"
        ) from error
