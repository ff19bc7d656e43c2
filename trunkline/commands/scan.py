"""`trunkline scan`: what is in radio range and which profile would be used."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence

import click

from firmware_profiles.registry import match
from firmware_profiles.standard import advertised_battery_pct
from sensor_agent.ble import Radio, RadioError, Sighting
from trunkline.options import profiles_dir_option

_REFRESH_S = 0.5
_STALE_S = 5.0
"""A sensor advertises at least once in 1.3 s: one not heard for longer is going or gone."""
_UP, _CLEAR_LINE = "\x1b[{}A", "\x1b[2K"
Device = dict[str, object]


@click.command()
@click.option("--seconds", default=10.0, show_default=True, type=click.FloatRange(1, 3600))
@click.option("--all", "show_all", is_flag=True, help="Devices that no profile knows, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the devices as one JSON list.")
@click.option("--adapter", metavar="HCI", help="Bluetooth adapter, e.g. hci1.  [default: any]")
@profiles_dir_option
def command(*, seconds: float, show_all: bool, as_json: bool, adapter: str | None) -> None:
    """Show sensors in radio range as they appear: signal, battery if advertised, profile, name.

    In a terminal the table follows the signal; elsewhere each sensor is a line when it appears.

    \b
    Example: trunkline scan --seconds 20
    """
    is_live = sys.stdout.isatty() and not as_json
    asyncio.run(scan(Radio(adapter), seconds, show_all=show_all, as_json=as_json, is_live=is_live))


async def scan(
    radio: Radio, seconds: float, *, show_all: bool, as_json: bool, is_live: bool = False
) -> None:
    """Scan and print; raises ClickException when the radio does not work."""
    seen: dict[str, Device] = {}
    heard_s: dict[str, float] = {}
    now_s = asyncio.get_running_loop().time
    lines = 0

    def on_seen(sighting: Sighting) -> None:
        device = _describe(sighting)
        if not device["profile"] and not show_all:
            return
        is_new = device != seen.get(sighting.address, {}) | {"rssi_dbm": device["rssi_dbm"]}
        seen[sighting.address], heard_s[sighting.address] = device, now_s()
        if is_new and not as_json and not is_live:
            click.echo(_line(device))

    try:
        async with radio.scan(on_seen):
            end_s = now_s() + seconds
            while (left_s := end_s - now_s()) > 0:
                await asyncio.sleep(min(_REFRESH_S, left_s) if is_live else left_s)
                if is_live:
                    ages_s = {address: now_s() - at for address, at in heard_s.items()}
                    table = _table(_strongest_first(seen), ages_s, left_s)
                    click.echo(_UP.format(lines) * bool(lines), nl=False)
                    click.echo("\n".join(_CLEAR_LINE + row for row in table))
                    lines = len(table)
    except RadioError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps(_strongest_first(seen), indent=2))
    elif not seen:
        click.echo("No sensor seen. Wear or wake it, and disconnect it from any phone.")


def _strongest_first(seen: dict[str, Device]) -> list[Device]:
    return sorted(seen.values(), key=lambda device: -int(str(device["rssi_dbm"])))


def _table(devices: Sequence[Device], ages_s: dict[str, float], left_s: float) -> list[str]:
    rows = [f"{len(devices)} in range, {left_s:.0f} s left"]
    for device in devices:
        is_stale = ages_s[str(device["address"])] > _STALE_S
        rows.append(_line(device) + ("  not heard any more" if is_stale else ""))
    return rows


def _line(device: Device) -> str:
    battery = "-" if device["battery_pct"] is None else f"{device['battery_pct']} %"
    return (
        f"{device['rssi_dbm']:>4} dBm  {battery:>5}  {device['profile'] or '-':<16} "
        f"{device['name'] or '(no name)':<28} {device['address']}"
    )


def _describe(sighting: Sighting) -> Device:
    return {
        "name": sighting.advertisement.name,
        "address": sighting.address,
        "rssi_dbm": sighting.rssi_dbm,
        "battery_pct": advertised_battery_pct(sighting.advertisement),
        "profile": ", ".join(found.info.id for found in match(sighting.advertisement)) or None,
        "service_uuids": list(sighting.advertisement.service_uuids),
    }
