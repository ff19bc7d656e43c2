"""`trunkline exposure`: a wearer's exposure as a table."""

from __future__ import annotations

import csv
import datetime as dt
import sys
from pathlib import Path

import click

from analytics.store.base import StoreError
from analytics.store.records import ClinicError
from trunkline.clinic_access import operator
from trunkline.options import StoreOptions, open_clinic, open_store, store_options

MAX_DAYS = 3660
READ_DAYS = 30


@click.command()
@click.option("--wearer", required=True, help="Pseudonym of the wearer.")
@click.option("--from", "first", required=True, help="First local day, 2026-03-02.")
@click.option("--to", "last", required=True, help="Last local day, included.")
@click.option("--by", type=click.Choice(["hour", "day", "week"]), default="day", show_default=True)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="CSV file."
)
@click.option("--signs", is_flag=True, help="Gait, limbs, breathing and sway, by day.")
@store_options
def command(
    *, wearer: str, first: str, last: str, by: str, out: Path, signs: bool, store: StoreOptions
) -> None:
    """Write minutes, bouts, counts, dose and longest of every trigger to a CSV file, with what was
    worn and what could be observed. Days are days where the wearer lives.

    With --signs the figures of gait, extra sensors, breathing (and the share of the time for
    which it could be told) and sway instead; by day only.

    `trunkline associate` reads the hourly and the daily form. docs/exposure.md has the columns.

    \b
    Example: trunkline exposure --wearer p-001 --from 2026-03-02 --to 2026-05-30 --out daily.csv
    """
    from analytics.day_reading import read_days
    from analytics.exposure import rows
    from analytics.exposure.days import Day
    from analytics.exposure.summary import DayExposure
    from analytics.sign_reading import read_coverage, read_signs

    if signs and by != "day":
        raise click.UsageError("--signs are told by day; leave --by out")
    start, end = _date(first, "--from"), _date(last, "--to")
    count = (end - start).days + 1
    if not 0 < count <= MAX_DAYS:
        raise click.UsageError(f"--to {last} is before --from {first}, or years later")
    clinic, results = open_clinic(store), open_store(store)
    partial = out.with_name(out.name + ".partial")
    try:
        zone = clinic.wearer(wearer).zone
        clinic.audit(operator(), "exposure", wearer, f"{first} {last} by {by}")
        days = [Day(start + dt.timedelta(days=number), zone) for number in range(count)]
        readings: list[DayExposure] = []
        told: list[tuple[rows.Cell, ...]] = []
        with click.progressbar(
            length=count, label="reading days", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as steps:
            for at in range(0, count, READ_DAYS):
                part = days[at : at + READ_DAYS]
                if signs:
                    found_signs = read_signs(results, wearer, part)
                    covered = read_coverage(results, wearer, part, found_signs)
                    pairs = zip(found_signs, covered, strict=True)
                    told += [rows.sign_row(*day_signs, share) for day_signs, share in pairs]
                else:
                    readings += read_days(results, wearer, part)
                steps.update(len(part))
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(rows.sign_columns() if signs else rows.columns(by))
            writer.writerows(told or rows.rows(by, days, readings))
        partial.replace(out)
    except (ClinicError, StoreError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"cannot write {out} ({error.strerror}); choose another folder"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
        results.close()
        clinic.close()
    click.echo(f"{out}: {count} days by {by}")


def _date(text: str, option: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no day; use for example 2026-03-02", param_hint=option
        ) from error
