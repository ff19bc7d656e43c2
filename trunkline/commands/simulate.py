"""`trunkline simulate`: a synthetic recording and its truth."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path

import click

from trunkline.synthetic.limbs import LIMBS
from trunkline.synthetic.recording_file import write_recording, write_truth
from trunkline.synthetic.sensor import SITES
from trunkline.synthetic.stories import STORIES
from trunkline.synthetic.wearer import SyntheticError, SyntheticWearer


@click.command()
@click.option("--hours", type=click.FloatRange(0, min_open=True), required=True, help="Length.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--truth", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--rate", "rate_hz", type=float, default=50.0, show_default=True, help="Hz.")
@click.option("--placement", type=click.Choice(list(SITES)), default="T12", show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--story",
    type=click.Choice(list(STORIES)),
    default="day",
    show_default=True,
    help="An ordinary day from 07:00, or a lively loop of a few minutes.",
)
@click.option(
    "--extra",
    "limbs",
    type=click.Choice(list(LIMBS)),
    multiple=True,
    help="An extra sensor at this placement; may be repeated. Exact while walking.",
)
@click.option("--start-utc", help="Time of the first sample, ISO 8601 with zone.")
@click.option("--json", "as_json", is_flag=True, help="Print a summary as JSON.")
def command(
    *,
    hours: float,
    out: Path,
    truth: Path,
    rate_hz: float,
    placement: str,
    seed: int,
    story: str,
    limbs: tuple[str, ...],
    start_utc: str | None,
    as_json: bool,
) -> None:
    """Make a recording of a synthetic wearer, and the truth about it.

    OUT is Parquet in the form that `trunkline analyse` and `trunkline replay` read. The same
    options always give the same file.

    \b
    Example: trunkline simulate --hours 1 --story demo --out demo.parquet --truth demo.truth.json
    """
    try:
        start = None if start_utc is None else dt.datetime.fromisoformat(start_utc)
        wearer = SyntheticWearer(
            hours * 3600.0,
            rate_hz,
            placement,
            seed,
            story=story,
            start_utc=start,
            limbs=dict.fromkeys(limbs, 0.0),
        )
    except SyntheticError as error:
        raise click.UsageError(str(error)) from error
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{start_utc!r} is not a time; use for example 2026-03-02T07:00:00Z",
            param_hint="--start-utc",
        ) from error
    try:
        with click.progressbar(
            length=wearer.n, label="simulating", file=sys.stderr, hidden=not sys.stderr.isatty()
        ) as bar:
            write_recording(wearer, out, bar.update)
        write_truth(wearer, truth)
    except OSError as error:
        raise click.ClickException(
            f"cannot write: {error.strerror}: {error.filename}; choose another folder"
        ) from error
    movements = len(wearer.truth["movements"])
    if as_json:
        summary = {"out": str(out), "truth": str(truth), "samples": wearer.n}
        click.echo(json.dumps({**summary, "movements": movements, "metadata": wearer.metadata}))
    else:
        click.echo(f"{out}: {wearer.n} samples, {movements} movements in {truth}")
