"""`trunkline store`: look after samples and results."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from analytics.store.base import Store, StoreError
from trunkline.options import StoreOptions, open_store, store_options
from trunkline.progress import bar

logger = logging.getLogger(__name__)

LOOSE_S = 3600
"""Batches of the last hour stay loose: they may still come out of order."""
FAILED_WAIT_S = 600
FIRST_WAIT_S = 120
"""The services around us start first."""


@click.group()
def command() -> None:
    """Look after samples and results: check, compact, archive, copy, recover."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@store_options
def check(*, as_json: bool, store: StoreOptions) -> None:
    """Look at every page, block and row of the embedded store and at every archived day.

    Exit code 1 when something is wrong.

    \b
    Example: trunkline store check --data-dir /var/lib/trunkline
    """
    from analytics.store.archive import FOLDER, Archive

    problems: list[str] = []
    with _opened(store, plain=True) as opened:
        if hasattr(opened, "check"):
            with bar("store") as progress:
                problems += opened.check(progress)
    archive = Archive(store.data_dir / FOLDER)
    with _told():
        days = [(w, sensor, day) for w in archive.wearers() for day, sensor in archive.days(w)]
    with bar("archive") as progress:
        for number, (wearer, sensor, day) in enumerate(days):
            progress(number, len(days))
            try:
                problem = archive.check(wearer, sensor, day)
            except StoreError as error:
                problem = str(error)
            problems += [f"archive of {wearer}: {problem}"] if problem else []
    if as_json:
        click.echo(json.dumps({"sound": not problems, "problems": problems}))
    else:
        for problem in problems:
            click.echo(problem)
        advice = "save what can be read with: trunkline store recover"
        click.echo(f"{len(problems)} problems; {advice}" if problems else "sound")
    sys.exit(1 if problems else 0)


@command.command()
@store_options
def compact(*, store: StoreOptions) -> None:
    """Compress what is older than an hour in the embedded store.

    May be stopped at any moment, and run beside everything else.

    \b
    Example: trunkline store compact --data-dir /var/lib/trunkline
    """
    with _opened(store, plain=True) as opened:
        if not hasattr(opened, "compact"):
            raise click.UsageError("InfluxDB compacts by itself; this is for --store embedded")
        with _told(), bar("compacting") as progress:
            blocks = opened.compact(time.time_ns() - LOOSE_S * 10**9, progress)
    click.echo(f"{blocks} blocks written")


@command.command()
@click.option(
    "--keep-raw-days",
    type=click.IntRange(2),
    help="Raw samples older than this are read from the archive; the embedded store lets them "
    "go.  [default: the store keeps everything]",
)
@click.option("--nightly", is_flag=True, help="Run on, compact every hour, archive after midnight.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@store_options
def archive(
    *, keep_raw_days: int | None, nightly: bool, as_json: bool, store: StoreOptions
) -> None:
    """Write every UTC day that is over to DATA_DIR/archive/WEARER/DATE/SENSOR.parquet.

    A day whose samples came late is written again. For InfluxDB give --keep-raw-days as its raw
    database keeps them.

    \b
    Example: trunkline store archive --keep-raw-days 90 --nightly
    """
    if not nightly:
        done = _archive_once(store, keep_raw_days)
        click.echo(
            json.dumps(done)
            if as_json
            else f"{done['written']} days written, {done['unchanged']} as they were"
        )
        return
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    _every_night(store, keep_raw_days, stop)


@command.command()
@click.option("--wearer", "wearers", multiple=True, help="Copy this one only; repeatable.")
@click.option(
    "--to-store", type=click.Choice(["embedded", "influx"]), required=True, help="The target."
)
@click.option("--to-data-dir", type=click.Path(file_okay=False, path_type=Path))
@click.option("--to-influx-url", default="http://127.0.0.1:8086", show_default=True)
@click.option("--to-influx-database", default="trunkline", show_default=True)
@click.option("--to-influx-user")
@click.option("--to-influx-password-file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--to-influx-token-file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--to-influx-org")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@store_options
def copy(*, wearers: tuple[str, ...], as_json: bool, store: StoreOptions, **to: Any) -> None:
    """Copy samples and results to another store, archived days included.

    Every day is compared by checksum. Stopped in the middle, the same command goes on where it
    stopped.

    \b
    Example: trunkline store copy --to-store influx --to-influx-token-file keeper.token \\
               --to-influx-org trunkline
    """
    from analytics.store.copying import copy as copy_store

    target = StoreOptions(
        data_dir=to["to_data_dir"] or store.data_dir,
        kind=to["to_store"],
        influx_url=to["to_influx_url"],
        influx_database=to["to_influx_database"],
        influx_user=to["to_influx_user"],
        influx_password_file=to["to_influx_password_file"],
        influx_token_file=to["to_influx_token_file"],
        influx_org=to["to_influx_org"],
    )
    if target.kind == "embedded" == store.kind and target.data_dir == store.data_dir:
        raise click.UsageError("source and target are the same; name another --to-data-dir")
    with (
        _opened(store) as source,
        _opened(target, plain=True) as into,
        _told(),
        bar("copying") as progress,
    ):
        copied = copy_store(source, into, wearers or None, progress)
    if as_json:
        click.echo(json.dumps(asdict(copied)))
    else:
        click.echo(
            f"{len(copied.wearers)} wearers: {copied.days} days written, {copied.same} there "
            f"already, {copied.results} results"
        )


@command.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
@store_options
def recover(*, as_json: bool, store: StoreOptions) -> None:
    """Save what can be read of a damaged file of the embedded store. Stop Trunkline first.

    A sound file takes its place; the damaged one is kept beside it. What agents still hold comes
    again by itself.

    \b
    Example: trunkline store recover --data-dir /var/lib/trunkline
    """
    from analytics.store.embedded import FILE_NAME
    from analytics.store.recovery import recover as recover_file

    if store.kind != "embedded":
        raise click.UsageError("this is for --store embedded")
    with _told(), bar("recovering") as progress:
        done = recover_file(store.data_dir / FILE_NAME, progress)
    if as_json:
        click.echo(json.dumps({**asdict(done), "damaged": str(done.damaged)}))
    else:
        saved = ", ".join(f"{count} {table}" for table, count in done.rows.items())
        click.echo(f"saved: {saved}; {done.gaps} places could not be read")
        click.echo(f"the damaged file is {done.damaged}")


def _archive_once(options: StoreOptions, keep_days: int | None) -> dict[str, int]:
    from analytics.store.archive import FOLDER, Archive
    from analytics.store.archiving import archive_days

    with _opened(options, plain=True) as opened, _told(), bar("archiving") as progress:
        done = archive_days(
            opened,
            Archive(options.data_dir / FOLDER),
            time.time_ns(),
            keep_days=keep_days,
            drop=getattr(opened, "drop_samples", None),
            progress=progress,
        )
    return asdict(done)


def _every_night(options: StoreOptions, keep_days: int | None, stop: threading.Event) -> None:
    """Compact every hour, archive and check once a UTC day; a failure is told and tried again."""
    archived = datetime.now(UTC).date() - timedelta(days=1)
    stop.wait(FIRST_WAIT_S)
    while not stop.is_set():
        wait_s = float(LOOSE_S)
        try:
            with _opened(options, plain=True) as opened, _told():
                if hasattr(opened, "compact"):
                    opened.compact(time.time_ns() - LOOSE_S * 10**9)
                if datetime.now(UTC).date() > archived:
                    logger.info("archived: %s", _archive_once(options, keep_days))
                    for problem in opened.check() if hasattr(opened, "check") else []:
                        logger.error("the store is damaged: %s", problem)
                    archived = datetime.now(UTC).date()
        except click.ClickException as error:
            logger.warning("%s; trying again", error.message)
            wait_s = FAILED_WAIT_S
        stop.wait(wait_s)


@contextmanager
def _opened(options: StoreOptions, *, plain: bool = False) -> Iterator[Any]:
    """The store of the options; `plain`: without the archive behind it."""
    opened: Store = open_store(options, archived=not plain)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def _told() -> Iterator[None]:
    """A store's error is one line and exit code 1."""
    try:
        yield
    except StoreError as error:
        raise click.ClickException(str(error)) from error
