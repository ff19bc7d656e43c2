"""`trunkline wearer`: pseudonyms, their time zones and personal thresholds."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import click

from analytics.exposure.alerts import AlertSettings, AlertSettingsError
from analytics.store.records import WearerSettings
from trunkline.clinic_access import as_json, clinic_in, instant_ns, operator
from trunkline.options import data_dir_option

json_option = click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")


@click.group(name="wearer")
def command() -> None:
    """Manage wearers: who may send data, where their days are counted, their thresholds.

    \b
    Example: trunkline wearer add p-001 --time-zone Europe/Berlin
    """


@command.command()
@click.argument("wearer")
@click.option("--time-zone", required=True, help="IANA name of where the wearer lives.")
@data_dir_option
def add(wearer: str, time_zone: str, data_dir: Path) -> None:
    """Register the pseudonym WEARER: 1-32 of a-z, 0-9 and '-'. Never a name.

    \b
    Example: trunkline wearer add p-001 --time-zone Europe/Berlin
    """
    with clinic_in(data_dir) as clinic, clinic.transaction():
        clinic.add_wearer(wearer, time_zone)
        clinic.audit(operator(), "wearer add", wearer)
    click.echo(f"{wearer} registered")


@command.command(name="list")
@json_option
@data_dir_option
def list_(json_wanted: bool, data_dir: Path) -> None:
    """List the wearers.

    \b
    Example: trunkline wearer list --json
    """
    with clinic_in(data_dir) as clinic:
        wearers = clinic.wearers()
    if json_wanted:
        click.echo(as_json(wearers))
        return
    for wearer in wearers:
        click.echo(f"{wearer.wearer:<32}  {wearer.time_zone}")


@command.command()
@click.argument("wearer")
@json_option
@data_dir_option
def show(wearer: str, json_wanted: bool, data_dir: Path) -> None:
    """Show settings and sensors of WEARER.

    \b
    Example: trunkline wearer show p-001
    """
    with clinic_in(data_dir) as clinic:
        found = clinic.wearer(wearer)
        sensors = clinic.sensors(wearer)
        clinic.audit(operator(), "wearer show", wearer)
    if json_wanted:
        click.echo(as_json(found))
        return
    click.echo(f"time zone: {found.time_zone}")
    for from_ns, there in found.journeys:
        at = dt.datetime.fromtimestamp(from_ns // 10**9, dt.UTC)
        click.echo(f"  from {at.isoformat()}: {there}")
    for name, value in dataclasses.asdict(found.settings).items():
        click.echo(f"{name}: {'not set' if value is None else value}")
    for sensor in sensors:
        birth = sensor.birth
        what = f"{birth.profile} at {birth.placement}, {birth.rate_hz:g} Hz" if birth else "unknown"
        click.echo(f"sensor {sensor.sensor}: {what}")


@command.command()
@click.argument("wearer")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Again for more.")
@json_option
@data_dir_option
def alerts(wearer: str, changes: tuple[str, ...], json_wanted: bool, data_dir: Path) -> None:
    """Show, or change with --set, what WEARER allows of alerts. docs/alerts.md has the names.

    Switch them on with `trunkline wearer set --alerts`.

    \b
    Example: trunkline wearer alerts p-001 --set daily_most=3 --set quiet_from_min=1260
    """
    with clinic_in(data_dir) as clinic, clinic.transaction():
        clinic.wearer(wearer)
        said = clinic.alert_settings(wearer) | dict(_setting(text) for text in changes)
        try:
            settings = AlertSettings.from_dict(said)
        except (AlertSettingsError, TypeError) as error:
            raise click.BadParameter(str(error), param_hint="--set") from error
        if changes:
            clinic.set_alert_settings(wearer, settings.to_dict())
            names = " ".join(text.partition("=")[0] for text in changes)
            clinic.audit(operator(), "wearer alerts", wearer, names)
    if json_wanted:
        click.echo(json.dumps(settings.to_dict(), indent=2))
        return
    for name, value in settings.to_dict().items():
        click.echo(f"{name}: {'the own limit of the wearer' if value is None else value}")


def _setting(text: str) -> tuple[str, Any]:
    """name=value, the value as JSON: 3, 2.5, true, null, ["slouch"]."""
    name, _, value = text.partition("=")
    if name not in AlertSettings().to_dict():
        raise click.BadParameter(f"there is no setting {name[:40]!r}", param_hint="--set")
    try:
        return name, json.loads(value)
    except ValueError as error:
        raise click.BadParameter(
            f"{value[:40]!r} is no value; use for example {name}=3", param_hint="--set"
        ) from error


@command.command(name="set")
@click.argument("wearer")
@click.option("--time-zone", help="IANA name of where the wearer lives; with --from, is.")
@click.option(
    "--from",
    "since",
    metavar="TIME",
    help="The wearer is in --time-zone from then on, ISO 8601 with zone: days before stay as they "
    "were lived.",
)
@click.option(
    "--slouch-enter-deg",
    metavar="DEGREES|auto",
    help="Flexion above which sitting is slouched; auto: what the analysis uses by itself.",
)
@click.option("--slouch-bout-min-s", type=float, help="Seconds of slouching that are an episode.")
@click.option("--walking-limit-s", type=float, help="Seconds of walking that are prolonged.")
@click.option("--alerts/--no-alerts", "alerts_on", default=None, help="Alert the wearer.")
@data_dir_option
def set_(
    *,
    wearer: str,
    time_zone: str | None,
    since: str | None,
    slouch_enter_deg: str | None,
    data_dir: Path,
    **others: Any,
) -> None:
    """Change what is given of WEARER and leave the rest.

    \b
    Example: trunkline wearer set p-001 --slouch-enter-deg 25 --no-alerts
    Example: trunkline wearer set p-001 --time-zone America/New_York --from 2026-05-04T14:30:00Z
    """
    changes = {name: value for name, value in others.items() if value is not None}
    if slouch_enter_deg is not None:
        changes["slouch_enter_deg"] = _degrees(slouch_enter_deg)
    if since is not None and time_zone is None:
        raise click.UsageError("--from says since when --time-zone counts; give both")
    if not changes and time_zone is None:
        raise click.UsageError("nothing to change; see: trunkline wearer set --help")
    since_ns = None if since is None else instant_ns(since, "--from")
    with clinic_in(data_dir) as clinic, clinic.transaction():
        settings: WearerSettings = clinic.wearer(wearer).settings
        clinic.set_settings(wearer, dataclasses.replace(settings, **changes), by=operator())
        if time_zone is not None and since_ns is not None:
            clinic.add_journey(wearer, since_ns, time_zone)
        elif time_zone is not None:
            clinic.set_time_zone(wearer, time_zone)
        names = sorted(changes) + (["time_zone"] if time_zone else [])
        clinic.audit(operator(), "wearer set", wearer, " ".join(names))
    click.echo(f"{wearer} changed")


def _degrees(text: str) -> float | None:
    if text == "auto":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is neither a number of degrees nor auto", param_hint="--slouch-enter-deg"
        ) from error
