"""`trunkline backup`: everything in a data directory as a folder that can be restored."""

from __future__ import annotations

import json
from pathlib import Path

import click

from analytics.store.base import StoreError
from trunkline.clinic_access import clinic_in, operator
from trunkline.options import StoreOptions, open_store, store_options
from trunkline.progress import bar


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder to make, beside the earlier ones: a restore looks there for who was erased since.",
)
@click.option("--check", is_flag=True, help="Only compare the backup in --out with its checksums.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@store_options
def command(*, out: Path, check: bool, as_json: bool, store: StoreOptions) -> None:
    """Copy people, samples, results and archive, consistent while everything runs.

    The folder has a manifest with the SHA-256 of every file and appears when it is complete. The
    secrets of a deployment are not in it.

    \b
    Example: trunkline backup --out /backup/2026-03-08 --data-dir /var/lib/trunkline
    """
    from analytics.store import backup as backups

    try:
        if check:
            with bar("checking") as progress:
                files = len(backups.check(out, progress)["files"])
        else:
            if not store.data_dir.is_dir():
                raise click.ClickException(f"there is no folder {store.data_dir}; check --data-dir")
            opened = open_store(store, archived=False)
            try:
                with bar("copying") as progress:
                    files = backups.backup(store.data_dir, opened, out, progress)
            finally:
                opened.close()
            with clinic_in(store.data_dir) as clinic:
                clinic.audit(operator(), "backup", None, out.name)
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(json.dumps({"out": str(out), "files": files}))
    else:
        click.echo(f"{out}: {files} files, {'as they were written' if check else 'complete'}")
