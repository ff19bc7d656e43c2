"""`trunkline analyse`: recordings -> result files."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from analytics.detect.parameters import ParameterError, Parameters
from analytics.offline import analyse
from analytics.recording import SUFFIXES, RecordingError, RecordingFile
from wire.messages import Placement


@dataclass(frozen=True, slots=True)
class _Job:
    source: Path
    target: Path
    report: Path | None
    parameters: Parameters
    stated: dict[str, Any]
    """What the options say in place of the metadata."""


@click.command(name="analyse")
@click.argument("recordings", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Result file.")
@click.option(
    "--out-dir", type=click.Path(file_okay=False, path_type=Path), help="Folder for result files."
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Recordings analysed at the same time.",
)
@click.option(
    "--params",
    "params_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='JSON with changed parameters, e.g. {"slouch": {"min_episode_min": 10}}.',
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML page with signals, angles and episodes (one recording only).",
)
@click.option(
    "--placement",
    type=click.Choice([p.value for p in Placement]),
    help="Where the sensor was worn, when the file does not say.",
)
@click.option(
    "--upright",
    type=(float, float),
    metavar="START END",
    help="Seconds in which the wearer was quiet and upright, when the file does not say.",
)
@click.option(
    "--upright-posture",
    type=click.Choice(["standing", "sitting"]),
    help="The posture in those seconds.",
)
def command(
    *,
    recordings: tuple[Path, ...],
    out: Path | None,
    out_dir: Path | None,
    jobs: int,
    params_file: Path | None,
    report: Path | None,
    placement: str | None,
    upright: tuple[float, float] | None,
    upright_posture: str | None,
) -> None:
    """Analyse RECORDINGS (Parquet or CSV files, or folders of them).

    \b
    Examples:
      trunkline analyse walk.parquet --out walk.json --report walk.html
      trunkline analyse recordings/ --out-dir results/ --jobs 2
      trunkline analyse log.csv --placement T12 --upright 0 10 --out log.json
    """
    sources = _sources(recordings)
    if (out is None) == (out_dir is None):
        raise click.UsageError("say where the result goes: either --out or --out-dir")
    if not sources:
        raise click.UsageError("there are no .parquet or .csv files in the folder")
    if len(sources) > 1 and (out is not None or report is not None):
        raise click.UsageError("--out and --report take one recording; use --out-dir for several")
    if upright is not None and not upright[0] < upright[1]:
        raise click.BadParameter("START must be before END", param_hint="--upright")
    stated = {
        "placement": placement,
        "upright_reference": upright,
        "reference_posture": upright_posture,
    }
    parameters = _parameters(params_file)
    work = [
        _Job(
            source=source,
            target=out or (out_dir or Path()) / relative.with_suffix(".json"),
            report=report,
            parameters=parameters,
            stated={name: value for name, value in stated.items() if value is not None},
        )
        for source, relative in sources
    ]
    failures = _run_one(work[0]) if len(work) == 1 else _run_many(work, jobs)
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


def _piped() -> bool:
    """No bar where error output is a file or a pipe: programs read what is there."""
    return not sys.stderr.isatty()


def _run_one(job: _Job) -> list[str]:
    name = job.source.name
    with click.progressbar(length=100, label=name, file=sys.stderr, hidden=_piped()) as bar:
        return _analyse(job, lambda share: bar.update(int(100 * share) - bar.pos))


def _run_many(work: list[_Job], jobs: int) -> list[str]:
    failures = []
    with click.progressbar(
        length=len(work), label="Analysing", file=sys.stderr, hidden=_piped()
    ) as bar:
        if jobs == 1:
            for job in work:
                failures += _analyse(job)
                bar.update(1)
        else:
            with ProcessPoolExecutor(jobs) as pool:
                for done in as_completed([pool.submit(_analyse, job) for job in work]):
                    failures += done.result()
                    bar.update(1)
    return sorted(failures)


def _analyse(job: _Job, progress: Callable[[float], None] | None = None) -> list[str]:
    """Empty, or one line that says what went wrong."""
    try:
        source = RecordingFile(job.source)
        source.header = replace(source.header, **job.stated)
        analysis = analyse(source, job.parameters, progress=progress)
        _write(job.target, json.dumps(analysis.document(), allow_nan=False, separators=(",", ":")))
        if job.report is not None:
            from trunkline.analysis_report import report_page, truth_beside

            _write(job.report, report_page(analysis, source, truth_beside(job.source)))
    except RecordingError as error:
        return [str(error)]
    except OSError as error:
        return [f"{error.filename or job.target}: {error.strerror}; check the folder"]
    return []


def _write(path: Path, text: str) -> None:
    """The file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(text)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
