"""`trunkline profiles`: which sensors can be used, and what their packets say."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from firmware_profiles.base import (
    BatteryLevel,
    ConfigurationError,
    DecodeError,
    Event,
    Note,
    Profile,
    SampleBlock,
)
from firmware_profiles.bulk import decode_all
from firmware_profiles.catalogue import facts, markdown
from firmware_profiles.registry import PROFILES, UnknownProfileError, all_profiles, profile
from firmware_profiles.standard import STANDARD_UUIDS
from trunkline.options import profiles_dir_option
from wire.batch import UNITS

_SHORT_UUID = re.compile(r"[0-9a-f]{4}|[0-9a-f]{8}")
_STANDARD_BASE = "-0000-1000-8000-00805f9b34fb"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@profiles_dir_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the sensors that can be used.

    \b
    Example: trunkline profiles
             trunkline profiles show movesense
    """
    if ctx.invoked_subcommand is not None:
        return
    infos = [found.info for found in all_profiles()]
    if as_json:
        click.echo(json.dumps([asdict(info) for info in infos], indent=2))
        return
    id_width = max(len(info.id) for info in infos)
    label_width = max(len(info.label) for info in infos)
    for info in infos:
        quantities = ", ".join(quantity.value for quantity in info.quantities)
        bench = "" if info.bench_verified else "  (not verified on a bench)"
        click.echo(f"{info.id:<{id_width}}  {info.label:<{label_width}}  {quantities}{bench}")


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@profiles_dir_option
def show(name: str, as_json: bool) -> None:
    """Explain one sensor: rates, ranges, how to wear it, what is known of its stamps and axes.

    \b
    Example: trunkline profiles show polar_h10
    """
    info = _profile(name).info
    if as_json:
        click.echo(json.dumps(asdict(info), indent=2))
        return
    click.echo(info.label)
    for label, text in facts(info):
        click.echo(f"  {label + ':':<22}{text}")
    if info.refusals:
        click.echo("  When it refuses:")
        for refusal in info.refusals:
            click.echo(f"    {refusal.code:>5}  {refusal.meaning}: {refusal.advice}")
    for heading, lines in (("Good to know", info.quirks), ("Sources", info.sources)):
        click.echo(f"  {heading}:")
        for line in lines:
            click.echo(f"    - {line}")


@command.command()
@click.argument("name")
@click.option("--characteristic", required=True, help="UUID that sent the packets; 2a19 works too.")
@click.option("--hex", "packets", required=True, multiple=True, help="One packet; repeatable.")
@click.option(
    "--config",
    default="{}",
    show_default=True,
    help="JSON object of what the stream was started with, for example "
    '{"path": "/Meas/IMU6/52", "reference": 99} (movesense), '
    '{"rate_hz": 200, "factor": 1.0, "stream": "acc", "previous_timestamp_ns": 0} (Polar), '
    '{"mode": 21, "rate_hz": 60} (movella_dot) or '
    '{"chip": "BMI270", "range_g": 8, "range_dps": 2000} (metamotion).',
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@profiles_dir_option
def decode(
    name: str, characteristic: str, packets: tuple[str, ...], config: str, as_json: bool
) -> None:
    """Decode captured packets to SI samples, device time and events.

    \b
    Example: trunkline profiles decode movesense --characteristic 2a19 --hex 57
    """
    found = _profile(name)
    uuid = _full_uuid(characteristic, found.info.characteristics)
    raw = [_bytes(packet) for packet in packets]
    try:
        decoder = found.decoder(_config(config))
    except ConfigurationError as error:
        raise click.BadParameter(str(error), param_hint="--config") from error
    items: list[dict[str, Any]] = []
    found_items: dict[int, list[dict[str, Any]]] = {index: [] for index in range(len(raw))}
    for index, event in decode_all(decoder, [(uuid, data) for data in raw]):
        found_items[index].append(_described(event))
    for index, described in found_items.items():
        items += [{"packet": index, **item} for item in described or [{"type": "none"}]]
    errors = sum(item["type"] == "error" for item in items)
    if as_json:
        click.echo(json.dumps({"profile": name, "events": items}, indent=2))
    else:
        for item in items:
            _print(item)
    if errors:
        raise click.ClickException(f"{errors} of {len(raw)} packets could not be decoded")


@command.command(hidden=True)
@click.option("--out", type=click.Path(path_type=Path), help="File to write instead of printing.")
def docs(out: Path | None) -> None:
    """Make docs/sensors.md.

    \b
    Example: trunkline profiles docs --out docs/sensors.md
    """
    text = markdown(found.info for found in PROFILES.values())
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"cannot write {out}: {error.strerror}") from error


def _profile(name: str) -> Profile:
    try:
        return profile(name)
    except UnknownProfileError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from error


def _full_uuid(text: str, known: Sequence[str]) -> str:
    """The characteristic that is meant: one of the sensor's own, by all, eight or four digits, or
    a standard one."""
    uuid = text.strip().lower()
    if not _SHORT_UUID.fullmatch(uuid) and not _UUID.fullmatch(uuid):
        raise click.BadParameter(f"{text[:60]!r} is no UUID", param_hint="--characteristic")
    standard = uuid if _UUID.fullmatch(uuid) else f"{uuid:0>8}-0000-1000-8000-00805f9b34fb"
    if standard in STANDARD_UUIDS or standard in known:
        return standard
    # tools that show short UUIDs put them on the standard base, whatever the sensor's own is
    if standard.endswith(_STANDARD_BASE):
        digits = standard[:8].removeprefix("0000")
        own = [k for k in known if k.startswith(digits) or k[4:8] == digits]
        return own[0] if len(own) == 1 else standard
    return standard


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text[:40]!r} is not hexadecimal: give two digits per byte", param_hint="--hex"
        ) from error


def _config(text: str) -> dict[str, object]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter("not JSON", param_hint="--config") from error
    if not isinstance(config, dict):
        raise click.BadParameter("not a JSON object", param_hint="--config")
    return config


def _described(event: Event | DecodeError) -> dict[str, Any]:
    if isinstance(event, DecodeError):
        return {"type": "error", "reason": str(event)}
    if isinstance(event, BatteryLevel):
        return {"type": "battery", "percent": event.percent}
    if isinstance(event, Note):
        return {"type": event.topic, **event.values}
    if not isinstance(event, SampleBlock):
        return {"type": "ended", "reason": event.reason}
    times: list[int] | None = None
    if event.device_t0_ns is not None:
        # halves up and from the end, so that first and last are at their stamps to the nanosecond
        back = np.floor(event.device_dt_ns * np.arange(event.n - 1, -1, -1) + 0.5).astype(np.int64)
        times = [event.device_t0_ns + int(back[0] - offset) for offset in back]
    return {
        "type": "samples",
        "n": event.n,
        "device_t_ns": times,
        "device_dt_ns": event.device_dt_ns,
        "lost_before": event.lost_before,
        "restarted": event.restarted,
        "units": {quantity.value: UNITS[quantity.value] for quantity in event.values},
        "values": {quantity.value: rows.tolist() for quantity, rows in event.values.items()},
        "lsb": {quantity.value: step for quantity, step in event.lsb.items()},
    }


def _print(item: dict[str, Any]) -> None:
    head = f"packet {item['packet']}: "
    if item["type"] == "battery":
        click.echo(f"{head}battery {item['percent']} %")
    elif item["type"] == "none":
        click.echo(f"{head}no event: a command's answer, or a part of a longer packet")
    elif item["type"] in {"ended", "error"}:
        click.echo(f"{head}{item['type']}: {item['reason']}")
    elif item["type"] != "samples":
        said = [f"{key} {value}" for key, value in item.items() if key not in {"packet", "type"}]
        click.echo(f"{head}{item['type']}: {', '.join(said)}")
    else:
        notes = f", {item['lost_before']} lost before" if item["lost_before"] else ""
        notes += ", clock restarted" if item["restarted"] else ""
        click.echo(f"{head}{item['n']} samples{notes}")
        for index in range(item["n"]):
            time = item["device_t_ns"][index] if item["device_t_ns"] else "-"
            columns = [
                f"{name} {' '.join(f'{value:.6g}' for value in rows[index])} {item['units'][name]}"
                for name, rows in item["values"].items()
            ]
            click.echo(f"  {time} ns  {'  '.join(columns)}")
