"""`trunkline diary`: what a wearer felt, entered, shown, changed, deleted and imported."""

from __future__ import annotations

import csv
import dataclasses
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from analytics import diary
from analytics.store.clinic import Clinic
from analytics.store.records import ClinicError, DiaryEntry
from trunkline.clinic_access import as_json, clinic_in, instant_ns, operator
from trunkline.diary_table import COLUMNS, DiaryTableError, entries_of, rows
from trunkline.options import data_dir_option
from wire.messages import MAX_NOTE, SIDES, SITES, SYMPTOMS

ALL_TIME = (0, 2**63 - 1)
NONE = "none"

_wearer = click.option("--wearer", required=True, help="Pseudonym of the wearer.")


def _said(default: str | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of what was felt; with a default of None nothing is asked to change."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option("--note", help="Own words, up to 500 characters; none: take it away."),
            click.option("--at", help="When, ISO 8601 with zone; without it now."),
            click.option("--side", type=click.Choice([*SIDES, NONE])),
            click.option("--site", type=click.Choice([*SITES, NONE]), help="other is elsewhere."),
            click.option("--severity", type=click.IntRange(0, 10), help="0..10"),
            click.option(
                "--symptom",
                type=click.Choice(SYMPTOMS),
                default=default,
                show_default=bool(default),
            ),
        ):
            command = option(command)
        return command

    return add


@click.group(name="diary")
def command() -> None:
    """The symptom diary: pain, numbness, paraesthesia, how strong, where.

    \b
    Example: trunkline diary add --wearer p-001 --severity 6 --site iliac_crest --side left
    """


@command.command()
@_wearer
@_said("pain")
@data_dir_option
def add(*, wearer: str, data_dir: Path, **said: Any) -> None:
    """Enter what was felt.

    \b
    Example: trunkline diary add --wearer p-001 --severity 6 --site groin --side left
    """
    now_ns = time.time_ns()
    blank = DiaryEntry(wearer, now_ns, "pain", None, None, None, now_ns, "cli")
    entry = dataclasses.replace(blank, **_changes(said))
    with clinic_in(data_dir) as clinic:
        stored = diary.add(clinic, entry, operator())
    click.echo(f"entry {stored.id} added")


@command.command(name="list")
@_wearer
@click.option("--from", "start", help="ISO 8601 with zone.")
@click.option("--to", "end", help="ISO 8601 with zone, excluded.")
@click.option(
    "--csv", "csv_wanted", is_flag=True, help="Print CSV, as import and associate read it."
)
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@data_dir_option
def list_(
    *,
    wearer: str,
    start: str | None,
    end: str | None,
    csv_wanted: bool,
    json_wanted: bool,
    data_dir: Path,
) -> None:
    """Show entries in order of time.

    \b
    Example: trunkline diary list --wearer p-001 --csv > diary.csv
    """
    start_ns = ALL_TIME[0] if start is None else instant_ns(start, "--from")
    end_ns = ALL_TIME[1] if end is None else instant_ns(end, "--to")
    with clinic_in(data_dir) as clinic:
        zone = clinic.wearer(wearer).zone
        entries = clinic.diary(wearer, start_ns, end_ns)
        clinic.audit(operator(), "diary list", wearer)
    if json_wanted:
        click.echo(as_json(entries))
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if csv_wanted:
        writer.writerow(COLUMNS)
        writer.writerows(rows(entries, zone))
        click.echo(text.getvalue(), nl=False)
        return
    for entry, cells in zip(entries, rows(entries, zone), strict=True):
        click.echo(f"{entry.id:>6}  " + "  ".join(str(cell) for cell in cells))


@command.command()
@_wearer
@click.argument("entry_id", type=int)
@_said(None)
@data_dir_option
def edit(*, wearer: str, entry_id: int, data_dir: Path, **said: Any) -> None:
    """Change what is given of entry ENTRY_ID and leave the rest. The audit keeps what it was.

    \b
    Example: trunkline diary edit --wearer p-001 17 --severity 4 --site none
    """
    if all(value is None for value in said.values()):
        raise click.UsageError("nothing to change; see: trunkline diary edit --help")
    with clinic_in(data_dir) as clinic:
        diary.change(clinic, _entry(clinic, wearer, entry_id), _changes(said), operator())
    click.echo(f"entry {entry_id} changed")


@command.command()
@_wearer
@click.argument("entry_id", type=int)
@data_dir_option
def delete(*, wearer: str, entry_id: int, data_dir: Path) -> None:
    """Delete entry ENTRY_ID. The audit keeps what it said, without the note.

    \b
    Example: trunkline diary delete --wearer p-001 17
    """
    with clinic_in(data_dir) as clinic:
        diary.remove(clinic, _entry(clinic, wearer, entry_id), operator())
    click.echo(f"entry {entry_id} deleted")


@command.command(name="import")
@_wearer
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@data_dir_option
def import_(*, wearer: str, file: Path, data_dir: Path) -> None:
    """Add the entries of a CSV FILE: columns time and severity (or pain), and any of symptom, site,
    side, note. All of them or, when one cannot be read, none. What is there already is left.

    \b
    Example: trunkline diary import --wearer p-001 diary.csv
    """
    with clinic_in(data_dir) as clinic:
        zone = clinic.wearer(wearer).zone
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines(keepends=True)
            entries = entries_of(lines, wearer, zone, file.name)
        except DiaryTableError as error:
            raise click.ClickException(str(error)) from error
        except UnicodeDecodeError as error:
            raise click.ClickException(f"{file.name} is not UTF-8 text") from error
        with clinic.transaction():
            added = sum(clinic.add_diary(entry) for entry in entries)
            clinic.audit(operator(), "diary import", wearer, f"{added} entries")
    click.echo(f"{added} entries added, {len(entries) - added} were there already")


def _entry(clinic: Clinic, wearer: str, entry_id: int) -> DiaryEntry:
    found = clinic.diary_entry(wearer, entry_id)
    if found is None:
        raise ClinicError(f"{wearer} has no entry {entry_id}; see: trunkline diary list")
    return found


def _changes(said: dict[str, Any]) -> dict[str, Any]:
    """The fields of an entry that the options name."""
    changes = {name: value for name, value in said.items() if value is not None and name != "at"}
    changes |= {name: None for name, value in changes.items() if value == NONE}
    if len(changes.get("note") or "") > MAX_NOTE:
        raise click.BadParameter(f"use up to {MAX_NOTE} characters", param_hint="--note")
    if said["at"] is not None:
        changes["at_ns"] = instant_ns(said["at"], "--at")
    return changes
