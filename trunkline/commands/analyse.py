"""`trunkline analyse`: recordings -> result files."""

from __future__ import annotations

import dataclasses
import json
import os
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from analytics.detect.parameters import ParameterError, Parameters
from analytics.offline import analyse
from analytics.recording import SUFFIXES, RecordingError, read_recording


@dataclass(frozen=True, slots=True)
class _Job:
    source: Path
    target: Path
    parameters: Parameters
    overrides: dict[str, Any]


@click.command(name="analyse")
@click.argument("recordings", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Result file.")
@click.option(
    "--out-dir", type=click.Path(file_okay=False, path_type=Path), help="Folder for result files."
)
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True)
@click.option(
    "--params",
    "params_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='JSON with changed parameters, e.g. {"slouch": {"min_episode_min": 10}}.',
)
@click.option("--placement", help="Where the sensor was worn, when the file does not say.")
@click.option(
    "--upright",
    type=(float, float),
    metavar="START END",
    help="Seconds during which the wearer was quiet and upright, when the file does not say.",
)
def command(  # noqa: PLR0917 click passes keywords
    recordings: tuple[Path, ...],
    out: Path | None,
    out_dir: Path | None,
    jobs: int,
    params_file: Path | None,
    placement: str | None,
    upright: tuple[float, float] | None,
) -> None:
    """Analyse RECORDINGS (Parquet or CSV files, or folders of them).

    \b
    Examples:
      trunkline analyse walk.parquet --out walk.json
      trunkline analyse recordings/ --out-dir results/ --jobs 2
    """
    sources = list(_sources(recordings))
    if (out is None) == (out_dir is None):
        raise click.UsageError("say where the result goes: either --out or --out-dir")
    if out is not None and (len(sources) != 1 or recordings[0].is_dir()):
        raise click.UsageError("--out takes one recording; use --out-dir for several")
    if not sources:
        raise click.UsageError("there are no .parquet or .csv files in the folder")
    parameters = _parameters(params_file)
    overrides: dict[str, Any] = {}
    if placement:
        overrides["placement"] = placement
    if upright:
        overrides["upright_reference"] = upright
    work = [
        _Job(
            source,
            out or (out_dir or Path()) / relative.with_suffix(".json"),
            parameters,
            overrides,
        )
        for source, relative in sources
    ]
    failures = _run(work, jobs)
    for failure in failures:
        click.echo(f"Error: {failure}", err=True)
    if len(work) > 1:
        click.echo(f"{len(work) - len(failures)} of {len(work)} recordings analysed", err=True)
    if failures:
        raise click.exceptions.Exit(1)


def _sources(recordings: tuple[Path, ...]) -> list[tuple[Path, Path]]:
    """(file, its path below the given folder)."""
    found = []
    for given in recordings:
        if given.is_dir():
            files = sorted(p for p in given.rglob("*") if p.suffix in SUFFIXES)
            found += [(p, p.relative_to(given)) for p in files]
        else:
            found.append((given, Path(given.name)))
    return found


def _parameters(path: Path | None) -> Parameters:
    if path is None:
        return Parameters()
    try:
        changes = json.loads(path.read_text())
        if not isinstance(changes, dict):
            raise ParameterError("the file must hold an object of detectors")
        return Parameters().override(changes)
    except (ValueError, OSError) as error:
        raise click.BadParameter(str(error), param_hint="--params") from error


def _run(work: list[_Job], jobs: int) -> list[str]:
    failures = []
    with click.progressbar(length=len(work), label="Analysing", hidden=len(work) < 2) as bar:
        if jobs == 1 or len(work) == 1:
            for job in work:
                failures += _analyse(job)
                bar.update(1)
        else:
            with ProcessPoolExecutor(jobs) as pool:
                for done in as_completed(pool.submit(_analyse, job) for job in work):
                    failures += done.result()
                    bar.update(1)
    return sorted(failures)


def _analyse(job: _Job) -> list[str]:
    """Empty, or one line that says what went wrong."""
    try:
        recording = dataclasses.replace(read_recording(job.source), **job.overrides)
        result = analyse(recording, job.parameters)
        _write(job.target, result)
    except RecordingError as error:
        return [str(error)]
    except OSError as error:
        return [f"{job.target}: {error.strerror}; check the folder"]
    return []


def _write(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(json.dumps(result, allow_nan=False, separators=(",", ":")))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
