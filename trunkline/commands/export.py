"""`trunkline export`: raw data and results of a wearer as files."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import sys
from importlib.metadata import version
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from analytics.store.base import StoreError
from analytics.store.records import ClinicError
from trunkline.options import StoreOptions, open_clinic, open_store, store_options
from wire.ids import IdError, check_wearer

WHAT = ("raw", "results")
NS_PER_S = 1_000_000_000


@click.command()
@click.option("--wearer", required=True, help="Pseudonym of the wearer.")
@click.option("--from", "first", required=True, help="Local day, or time in ISO 8601 with zone.")
@click.option("--to", "last", required=True, help="Last day (included), or time (excluded).")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder to make; new or empty."
)
@click.option(
    "--what", default=",".join(WHAT), show_default=True, help="raw, results, or both with a comma."
)
@click.option("--pseudonym", help="Name to write into the files in place of the wearer's.")
@click.option("--force", is_flag=True, help="Replace an earlier export in --out.")
@click.option("--json", "as_json", is_flag=True, help="Print the provenance as JSON.")
@store_options
def command(
    *,
    wearer: str,
    first: str,
    last: str,
    file_format: str,
    out: Path,
    what: str,
    pseudonym: str | None,
    force: bool,
    as_json: bool,
    store: StoreOptions,
) -> None:
    """Write samples and results of WEARER to a folder of Parquet or CSV files.

    Days are days where the wearer lives. The folder also gets dictionary.json, which explains
    every column, and provenance.json. It appears when it is complete, or not at all.

    \b
    Example: trunkline export --wearer w1 --from 2026-03-02 --to 2026-03-08 \\
        --format parquet --out march --data-dir /var/lib/trunkline
    """
    parts = _parts(what)
    name = _pseudonym(pseudonym)
    # Imported late: `--help` and mistakes need no pyarrow.
    from analytics.export.bundle import Selection, export, work_ns
    from analytics.export.files import ExportError, Format

    if not store.data_dir.is_dir():
        raise click.ClickException(f"there is no folder {store.data_dir}; check --data-dir")
    clinic, samples = open_clinic(store), open_store(store)
    try:
        zone = ZoneInfo(clinic.wearer(wearer).time_zone)
        start_ns, end_ns = _range(first, last, zone)
        selection = Selection(
            wearer, start_ns, end_ns, zone, "raw" in parts, "results" in parts, name
        )
        about = {
            "software_version": version("trunkline"),
            "store": store.kind,
            "created_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        }
        clinic.audit(getpass.getuser(), "export", wearer, f"{what} {first} {last}")
        with click.progressbar(
            length=work_ns(samples, selection) // NS_PER_S,
            label="exporting",
            file=sys.stderr,
            hidden=not sys.stderr.isatty(),
        ) as bar:
            provenance = export(
                samples,
                lambda start, end: clinic.diary(wearer, start, end),
                selection,
                out,
                Format(file_format),
                about=about,
                force=force,
                progress=lambda done_ns: bar.update(done_ns // NS_PER_S),
            )
    except (ClinicError, StoreError, ExportError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        samples.close()
        clinic.close()
    if as_json:
        click.echo(json.dumps({"out": str(out), **provenance}))
    else:
        for file, rows in provenance["rows"].items():
            click.echo(f"{out / file}: {rows} rows")


def _parts(what: str) -> set[str]:
    parts = {part.strip() for part in what.split(",")}
    if not parts <= set(WHAT):
        raise click.BadParameter(f"{what!r} is not known; use raw,results", param_hint="--what")
    return parts


def _pseudonym(name: str | None) -> str | None:
    try:
        return None if name is None else check_wearer(name)
    except IdError as error:
        raise click.BadParameter(str(error), param_hint="--pseudonym") from error


def _range(first: str, last: str, zone: ZoneInfo) -> tuple[int, int]:
    start_ns = _instant(first, zone, "--from", days_later=0)
    end_ns = _instant(last, zone, "--to", days_later=1)
    if end_ns <= start_ns:
        raise click.UsageError(f"--to {last} is not after --from {first}")
    return start_ns, end_ns


def _instant(text: str, zone: ZoneInfo, option: str, *, days_later: int) -> int:
    """UTC nanoseconds of an instant, or of the beginning of a local day some days later."""
    from analytics.exposure.days import Day

    try:
        if "T" not in text:
            return Day(dt.date.fromisoformat(text), zone).plus(days_later).start_ns
        moment = dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is no time; use 2026-03-02 or 2026-03-02T08:00:00+01:00", param_hint=option
        ) from error
    if moment.tzinfo is None:
        raise click.BadParameter(
            f"{text!r} has no zone; use for example {text}Z or {text}+01:00", param_hint=option
        )
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (since // dt.timedelta(microseconds=1)) * 1000
