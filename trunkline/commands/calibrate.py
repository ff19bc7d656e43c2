"""`trunkline calibrate`: when a sensor was held upright."""

from __future__ import annotations

from pathlib import Path

import click

from analytics.store.records import Hold
from trunkline.clinic_access import clinic_in, instant_ns, operator
from trunkline.options import data_dir_option
from wire.ids import IdError, check_sensor


@click.command()
@click.option("--wearer", required=True, help="Pseudonym of the wearer.")
@click.option("--sensor", required=True, help="Id of the sensor.")
@click.option("--from", "start", required=True, help="Beginning, ISO 8601 with zone.")
@click.option("--to", "end", required=True, help="End, ISO 8601 with zone.")
@click.option("--posture", type=click.Choice(["sitting", "standing"]), required=True)
@data_dir_option
def command(
    *, wearer: str, sensor: str, start: str, end: str, posture: str, data_dir: Path
) -> None:
    """Say that WEARER was quiet and upright from .. to: angles are counted from there on.

    Five seconds or more are good. The day of the hold is computed again.

    \b
    Example: trunkline calibrate --wearer p-001 --sensor trunk --posture standing \\
        --from 2026-03-02T08:00:00+01:00 --to 2026-03-02T08:00:10+01:00
    """
    try:
        check_sensor(sensor)
    except IdError as error:
        raise click.BadParameter(str(error), param_hint="--sensor") from error
    start_ns, end_ns = instant_ns(start, "--from"), instant_ns(end, "--to")
    if not 0 <= start_ns < end_ns < 2**63:
        raise click.UsageError(f"--to {end} is not after --from {start}, or out of range")
    with clinic_in(data_dir) as clinic, clinic.transaction():
        clinic.add_hold(Hold(wearer, sensor, start_ns, end_ns, posture, "cli"))
        clinic.audit(operator(), "calibrate", wearer, sensor)
    click.echo(f"upright reference of {wearer} {sensor} recorded")
