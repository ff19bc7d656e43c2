"""`trunkline export`: raw data and results of wearers as files."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analytics.export.errors import ExportError
from analytics.export.formats import FORMATS, PARTS, named
from analytics.export.pseudonym import Naming, naming, read_key
from analytics.store.base import StoreError
from analytics.store.records import ClinicError
from trunkline.clinic_access import day_range_ns, operator
from trunkline.options import StoreOptions, open_clinic, open_store, store_options

if TYPE_CHECKING:
    from analytics.export.bundle import Export, Request
    from analytics.store.clinic import Clinic

NS_PER_S = 1_000_000_000


@click.command()
@click.option(
    "--wearer", "wearers", multiple=True, help="Pseudonym of a wearer; repeatable, for a cohort."
)
@click.option("--from", "first", help="Local day, or time in ISO 8601 with zone.")
@click.option("--to", "last", help="Last day (included), or time (excluded).")
@click.option(
    "--format",
    "format_name",
    type=click.Choice([each.name for each in FORMATS]),
    default="parquet",
    show_default=True,
    help="See docs/export.md.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of the format, see docs/export.md; repeatable.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to make; new or empty.",
)
@click.option(
    "--what", help="raw, results, or both with a comma.  [default: what the format holds]"
)
@click.option("--pseudonym", help="Name to write into the files in place of the wearer's.")
@click.option(
    "--key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Secret of at least 32 bytes: every wearer gets a name made with it.",
)
@click.option(
    "--shift-dates",
    is_flag=True,
    help="Move each wearer's times by 1 to 52 whole weeks, chosen by the key.",
)
@click.option("--force", is_flag=True, help="Replace an earlier export in --out.")
@click.option("--check", is_flag=True, help="Compare the export in --out with its manifest.")
@click.option("--json", "as_json", is_flag=True, help="Print the provenance as JSON.")
@store_options
def command(
    *,
    wearers: tuple[str, ...],
    first: str | None,
    last: str | None,
    format_name: str,
    options: tuple[str, ...],
    out: Path,
    what: str | None,
    pseudonym: str | None,
    key_file: Path | None,
    shift_dates: bool,
    force: bool,
    check: bool,
    as_json: bool,
    store: StoreOptions,
) -> None:
    """Write samples and results of wearers to a folder, in a format of your field.

    Days are days where each wearer lives. The folder explains itself: dictionary.json tells of
    every column, provenance.json where the figures come from, manifest.json has the SHA-256 of
    every file. It appears when it is complete; killed half-way, the same command goes on.

    \b
    Example: trunkline export --wearer w1 --from 2026-03-02 --to 2026-03-08 \\
        --format parquet --out march --data-dir /var/lib/trunkline
    """
    if check:
        _check(out, as_json)
        return
    if not wearers or first is None or last is None:
        raise click.UsageError("an export needs --wearer, --from and --to")
    wearers = tuple(dict.fromkeys(wearers))
    form = named(format_name)
    parts = _parts(what, form.holds)
    given = _given(options)
    try:
        key = None if key_file is None else read_key(key_file)
        names = naming(wearers, key=key, pseudonym=pseudonym, shift_dates=shift_dates)
    except ExportError as error:
        raise click.UsageError(str(error)) from error
    # Imported late: `--help` and mistakes need no pyarrow.
    from analytics.export.bundle import Export, Request

    if not store.data_dir.is_dir():
        raise click.ClickException(f"there is no folder {store.data_dir}; check --data-dir")
    clinic, samples = open_clinic(store), open_store(store)
    try:
        subjects = [_subject(clinic, wearer, first, last, names) for wearer in wearers]
        request = Request(subjects, form, parts, given)
        export = Export(samples, request, about=_about(store))
        for wearer in wearers:
            detail = f"{format_name} {','.join(sorted(parts))} {first} {last}"
            clinic.audit(operator(), "export", wearer, detail)
        provenance = _write(export, request, out, force)
    except (ClinicError, StoreError, ExportError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        samples.close()
        clinic.close()
    if as_json:
        click.echo(json.dumps({"out": str(out), **provenance}))
    else:
        _tell(out, provenance)


def _write(export: Export, request: Request, out: Path, force: bool) -> dict[str, Any]:
    from analytics.export.bundle import warnings

    for warning in warnings(request.subjects):
        click.echo(f"Warning: {warning}", err=True)
    with click.progressbar(
        length=export.work_ns // NS_PER_S,
        label="exporting",
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    ) as bar:
        return export.write(
            out, force=force, progress=lambda done_ns: bar.update(done_ns // NS_PER_S)
        )


def _subject(clinic: Clinic, wearer: str, first: str, last: str, names: Naming) -> Any:
    from analytics.export.subject import subject_of

    zone = clinic.wearer(wearer).zone
    return subject_of(clinic, wearer, zone, day_range_ns(first, last, zone), names)


def _about(store: StoreOptions) -> dict[str, Any]:
    return {
        "software_version": version("trunkline"),
        "store": store.kind,
        "created_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def _tell(out: Path, provenance: Mapping[str, Any]) -> None:
    """One line for every table, not for every file."""
    sums: dict[str, list[int]] = {}
    for file, rows in provenance["rows"].items():
        folder, _, name = file.rpartition("/")
        shown = folder if "/" in folder else f"{folder}/{name}" if folder else name
        sums.setdefault(shown, []).append(rows)
    for shown, rows in sums.items():
        files = "" if len(rows) == 1 else f" in {len(rows)} files"
        click.echo(f"{out / shown}: {sum(rows)} rows{files}")
    click.echo(f"{out}: complete")


def _check(out: Path, as_json: bool) -> None:
    from analytics.export.stage import differences

    try:
        found = differences(out)
    except ExportError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps({"sound": not found, "problems": found}))
    else:
        for line in found:
            click.echo(line)
        click.echo(f"{len(found)} files differ; export again" if found else "as it was written")
    sys.exit(1 if found else 0)


def _parts(what: str | None, holds: tuple[str, ...]) -> frozenset[str]:
    if what is None:
        return frozenset(holds)
    parts = frozenset(part.strip() for part in what.split(","))
    if not parts <= set(PARTS):
        raise click.BadParameter(f"{what!r} is not known; use raw,results", param_hint="--what")
    return parts


def _given(options: tuple[str, ...]) -> dict[str, str]:
    pairs = [option.partition("=") for option in options]
    if any(not separator for _, separator, _ in pairs):
        raise click.BadParameter("write NAME=VALUE", param_hint="--option")
    return {name: value for name, _, value in pairs}
