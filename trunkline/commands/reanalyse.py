"""`trunkline reanalyse`: history with other parameters, beside the old results."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analytics.store.base import Store, StoreError
from analytics.store.clinic import Clinic
from analytics.store.records import ClinicError
from trunkline.clinic_access import clinic_in, operator
from trunkline.options import StoreOptions, open_clinic, open_store, store_options

if TYPE_CHECKING:
    from analytics.reanalysis import Compute

MAX_DAYS = 3660


@click.command()
@click.option("--wearer", required=True, help="Pseudonym of the wearer.")
@click.option("--from", "first", required=True, help="First local day, 2026-03-02.")
@click.option("--to", "last", required=True, help="Last local day, included.")
@click.option(
    "--params",
    "params_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='JSON of parameters to change, {"slouch": {"enter_low_trunk_deg": 9}}.',
)
@click.option(
    "--scheduler",
    metavar="local[:N]|ADDRESS",
    help="Compute on Dask: in N processes of this machine, or on the cluster at tcp://HOST:PORT.  "
    "[default: in this process]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_options
def command(
    *,
    wearer: str,
    first: str,
    last: str,
    params_file: Path | None,
    scheduler: str | None,
    as_json: bool,
    store: StoreOptions,
) -> None:
    """Compute the days of WEARER again from the stored samples, with this version and the
    parameters in FILE, and print how the clinical numbers differ.

    The new results stand in a file of their own, named after version and parameters; pages and
    exports go on with the old ones. A day whose results are there, from the same samples,
    calibration and settings, is not computed again: a run that was killed goes on. Results are the
    same to the last byte wherever they are computed; every machine of a cluster needs --data-dir
    under the same path.

    \b
    Example: trunkline reanalyse --wearer p-001 --from 2026-03-02 --to 2026-03-08 \\
        --params p.json --scheduler local:4
    """
    from analytics.detect.parameters import ParameterError
    from analytics.exposure.days import Day
    from analytics.reanalysis import reanalyse

    start, end = _date(first, "--from"), _date(last, "--to")
    count = (end - start).days + 1
    if not 0 < count <= MAX_DAYS:
        raise click.UsageError(f"--to {last} is before --from {first}, or years later")
    overrides = _overrides(params_file)
    with clinic_in(store.data_dir) as clinic:
        zone = clinic.wearer(wearer).zone
        clinic.audit(operator(), "reanalyse", wearer, f"{first} {last}")
    days = [Day(start + dt.timedelta(days=n), zone) for n in range(count)]
    try:
        with (
            _computer(scheduler) as compute,
            click.progressbar(
                length=count, label="computing", file=sys.stderr, hidden=not sys.stderr.isatty()
            ) as bar,
        ):
            found = reanalyse(
                partial(_opened, store),
                wearer,
                days,
                overrides=overrides,
                data_dir=store.data_dir,
                compute=compute,
                progress=lambda: bar.update(1),
            )
    except ParameterError as error:
        raise click.BadParameter(str(error), param_hint="--params") from error
    except (ClinicError, StoreError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(_json(found) if as_json else _text(found))


def _opened(store: StoreOptions) -> tuple[Store, Clinic]:
    """Samples and people; called in every process that computes."""
    return open_store(store), open_clinic(store)


@contextmanager
def _computer(scheduler: str | None) -> Iterator[Compute]:
    from analytics.reanalysis import compute_here

    if scheduler is None:
        yield compute_here
        return
    try:
        from analytics.dask_days import ClusterError, cluster
    except ImportError as error:
        raise click.ClickException(
            f"--scheduler needs {error.name}; install it with: pip install 'trunkline[research]'"
        ) from error
    if not re.fullmatch(r"local(:[1-9]\d{0,2})?|(tcp|tls|ws|wss)://.+", scheduler):
        raise click.BadParameter(
            f"{scheduler!r} is none of local, local:4, tcp://HOST:8786", param_hint="--scheduler"
        )
    try:
        with cluster(scheduler) as compute:
            yield compute
    except ClusterError as error:
        raise click.ClickException(str(error)) from error


def _overrides(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{path.name} is not JSON", param_hint="--params") from error
    if not isinstance(said, dict):
        raise click.BadParameter(
            f'{path.name} needs an object such as {{"slouch": {{"band_deg": 3}}}}',
            param_hint="--params",
        )
    return said


def _json(found: Any) -> str:
    return json.dumps(
        {
            "file": found.file.name,
            "made_by": dataclasses.asdict(found.made_by),
            "old": [dataclasses.asdict(each) for each in found.old],
            "days": found.days,
            "kept": found.kept,
            "differences": [
                {**dataclasses.asdict(each), "change": each.change} for each in found.differences
            ],
        },
        indent=2,
    )


def _text(found: Any) -> str:
    old = ", ".join(f"{each.algorithm_version} {each.params_hash}" for each in found.old)
    new = f"{found.made_by.algorithm_version} {found.made_by.params_hash}"
    lines = [
        f"{found.days} days, {found.kept} of them computed before; new: {new}"
        f" in {found.file.name}; old: {old or 'none'}",
        f"{'':<24}{'old':>12}{'new':>12}{'change':>12}",
    ]
    for each in found.differences:
        cells = ["-" if v is None else f"{v:g}" for v in (each.old, each.new, each.change)]
        lines.append(f"{each.name:<24}" + "".join(f"{cell:>12}" for cell in cells))
    return "\n".join(lines)


def _date(text: str, option: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no day; use for example 2026-03-02", param_hint=option
        ) from error
