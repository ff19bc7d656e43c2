"""`trunkline restore`: a backup into an empty data directory."""

from __future__ import annotations

import json
from pathlib import Path

import click

from analytics.store.base import StoreError
from trunkline.clinic_access import clinic_in, operator
from trunkline.options import StoreOptions, open_store, store_options
from trunkline.progress import bar


@click.command()
@click.argument("backup", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--erased",
    "ledgers",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A further erased.jsonl that says who was erased since the backup; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@store_options
def command(*, backup: Path, ledgers: tuple[Path, ...], as_json: bool, store: StoreOptions) -> None:
    """Put the data of BACKUP into --data-dir, which must have none. Stop Trunkline first.

    Every file is compared with its checksum; an older schema is brought up to date. Wearers that
    were erased after the backup was made stay erased: by the erased.jsonl in --data-dir, in the
    folder of the backups and in every backup there, and by --erased. With --store influx samples
    and results go into its databases, which must be empty.

    \b
    Example: trunkline restore /backup/2026-03-08 --data-dir /var/lib/trunkline
    """
    from analytics.store.backup import restore

    into = None
    if store.kind != "embedded":
        into = open_store(store, archived=False)
    try:
        with bar("restoring") as progress:
            done = restore(backup, store.data_dir, ledgers=ledgers, into=into, progress=progress)
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    finally:
        if into is not None:
            into.close()
    with clinic_in(store.data_dir) as clinic:
        clinic.audit(operator(), "restore", None, backup.name)
    if as_json:
        click.echo(json.dumps({"files": done.files, "erased": list(done.erased)}))
    else:
        click.echo(f"{done.files} files restored; {len(done.erased)} wearers erased since")
