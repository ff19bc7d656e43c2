"""`trunkline scan`: what is in radio range and which profile would be used."""

from __future__ import annotations

import asyncio
import json

import click

from firmware_profiles.registry import match
from sensor_agent.ble import Radio, RadioError, Sighting
from trunkline.options import profiles_dir_option


@click.command()
@click.option("--seconds", default=10.0, show_default=True, type=click.FloatRange(1, 3600))
@click.option("--all", "show_all", is_flag=True, help="Devices that no profile knows, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the devices as one JSON list.")
@click.option("--adapter", metavar="HCI", help="Bluetooth adapter, e.g. hci1.  [default: any]")
@profiles_dir_option
def command(*, seconds: float, show_all: bool, as_json: bool, adapter: str | None) -> None:
    """Show sensors in radio range as they appear: signal, profile, name and address.

    \b
    Example: trunkline scan --seconds 20
    """
    asyncio.run(scan(Radio(adapter), seconds, show_all=show_all, as_json=as_json))


async def scan(radio: Radio, seconds: float, *, show_all: bool, as_json: bool) -> None:
    """Scan and print; raises ClickException when the radio does not work."""
    seen: dict[str, dict[str, object]] = {}

    def on_seen(sighting: Sighting) -> None:
        device = _describe(sighting)
        if not device["profile"] and not show_all:
            return
        is_new = device != seen.get(sighting.address, {}) | {"rssi_dbm": device["rssi_dbm"]}
        seen[sighting.address] = device
        if is_new and not as_json:
            click.echo(
                f"{device['rssi_dbm']:>4} dBm  {device['profile'] or '-':<14} "
                f"{device['name'] or '(no name)':<28} {device['address']}"
            )

    try:
        async with radio.scan(on_seen):
            await asyncio.sleep(seconds)
    except RadioError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        strongest_first = sorted(seen.values(), key=lambda d: -int(str(d["rssi_dbm"])))
        click.echo(json.dumps(strongest_first, indent=2))
    elif not seen:
        click.echo("No sensor seen. Wear or wake it, and disconnect it from any phone.")


def _describe(sighting: Sighting) -> dict[str, object]:
    return {
        "name": sighting.advertisement.name,
        "address": sighting.address,
        "rssi_dbm": sighting.rssi_dbm,
        "profile": ", ".join(found.info.id for found in match(sighting.advertisement)) or None,
        "service_uuids": list(sighting.advertisement.service_uuids),
    }
