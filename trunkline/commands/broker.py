"""`trunkline broker`: the embedded broker alone; `up` starts it so."""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path

import click

from trunkline.broker import load_accounts, serve


@click.command()
@click.option("--mqtt-host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--mqtt-port", default=1883, show_default=True, type=click.IntRange(1, 65535))
@click.option(
    "--accounts-file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file of account names and secrets; missing secrets are created.",
)
@click.option("--account", "accounts", multiple=True, help="Account that must exist.")
def command(mqtt_host: str, mqtt_port: int, accounts_file: Path, accounts: tuple[str, ...]) -> None:
    """Run the embedded MQTT broker, for one machine. Use mosquitto in a deployment.

    \b
    Example: trunkline broker --accounts-file accounts.json --account server --account p-001
    """
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(mqtt_host, mqtt_port, load_accounts(accounts_file, accounts), stop)

    try:
        asyncio.run(run())
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {mqtt_host}:{mqtt_port} ({error.strerror}); "
            "another broker may be running: choose another --mqtt-port"
        ) from error
