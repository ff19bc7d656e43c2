"""Dask: four processes give the same results to the last byte, and a killed run goes on."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from distributed import LocalCluster

from analytics.dask_days import cluster
from analytics.exposure.days import Day
from analytics.reanalysis import (
    Compute,
    DayDone,
    DayTask,
    Opener,
    Reanalysis,
    compute_here,
    reanalyse,
)
from analytics.store.base import Store, StoreError
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from tests.analytics.test_worker import START_NS, batches, birth, hold
from trunkline.cli import main
from trunkline.synthetic.wearer import simulate

DAY_NS = 86_400 * 10**9
ZONE = ZoneInfo("Europe/Berlin")
DAYS = [Day.at(START_NS, ZONE).plus(n) for n in range(5)]
"""The last one has no samples."""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    store, clinic = EmbeddedStore(folder / "samples.db"), Clinic(folder / "clinic.db")
    clinic.add_wearer("demo", "Europe/Berlin")
    for number in range(4):
        day = simulate(90.0, rate_hz=50, placement="T12", seed=number, story="demo")
        store.write_batches(batches(day, START_NS + number * DAY_NS))
        if number == 0:
            birth(clinic, day)
            hold(clinic, day)
    store.close()
    clinic.close()
    return folder


def opened(data_dir: Path) -> tuple[Store, Clinic]:
    return EmbeddedStore(data_dir / "samples.db"), Clinic(data_dir / "clinic.db")


def run(data_dir: Path, out: Path, compute: Compute) -> Reanalysis:
    return reanalyse(
        partial(opened, data_dir), "demo", DAYS, overrides={}, data_dir=out, compute=compute
    )


def content(found: Reanalysis) -> list[str]:
    """Everything in the file of results, row by row."""
    connection = sqlite3.connect(found.file)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def alone(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Reanalysis:
    return run(data_dir, tmp_path_factory.mktemp("alone"), compute_here)


def test_four_processes_find_the_same_to_the_last_byte(
    data_dir: Path, tmp_path: Path, alone: Reanalysis
) -> None:
    with LocalCluster(
        n_workers=4, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as local:
        with cluster(local.scheduler_address) as compute:
            spread = run(data_dir, tmp_path, compute)
            assert content(spread) == content(alone)
            assert spread.file.read_bytes() == alone.file.read_bytes()
            assert spread.differences == alone.differences
            assert (spread.days, spread.kept) == (5, 0)
            assert sum("INSERT" in line for line in content(spread)) > 20
            # A second run finds everything there.
            again = run(data_dir, tmp_path, compute)
            assert again.kept == 5
            assert content(again) == content(alone)
            with pytest.raises(StoreError, match="not a database"):
                list(compute(partial(half_open, data_dir, tmp_path), [task(DAYS[0])]))
        # The command, on the same cluster.
        shutil.copytree(data_dir, tmp_path / "own")
        words = ["reanalyse", "--wearer", "demo", "--from", "2026-03-02", "--to", "2026-03-06"]
        words += ["--scheduler", local.scheduler_address, "--json"]
        answer = CliRunner().invoke(main, [*words, "--data-dir", str(tmp_path / "own")])
        assert answer.exit_code == 0, answer.output
        file = tmp_path / "own" / "reanalysis" / json.loads(answer.output)["file"]
        assert file.read_bytes() == alone.file.read_bytes()


def task(day: Day) -> DayTask:
    return DayTask("demo", day, {}, None)


def half_open(data_dir: Path, broken: Path) -> tuple[Any, Clinic]:
    """A store that cannot be opened on the machine that computes."""
    (broken / "samples.db").write_bytes(b"nothing" * 1000)
    return EmbeddedStore(broken / "samples.db"), Clinic(data_dir / "clinic.db")


def test_a_killed_run_goes_on_where_it_was(
    data_dir: Path, tmp_path: Path, alone: Reanalysis
) -> None:
    def two_days_only(opener: Opener, tasks: Iterable[DayTask]) -> Iterator[DayDone]:
        yield from islice(compute_here(opener, tasks), 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(data_dir, tmp_path, two_days_only)
    computed = []

    def counted(opener: Opener, tasks: Iterable[DayTask]) -> Iterator[DayDone]:
        for done in compute_here(opener, tasks):
            computed.append(done.writes is not None)
            yield done

    found = run(data_dir, tmp_path, counted)
    assert computed == [False, False, True, True, True]
    assert content(found) == content(alone)


def test_a_day_is_computed_again_when_more_came(data_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(data_dir, tmp_path / "own")
    first = run(tmp_path / "own", tmp_path, compute_here)
    store = EmbeddedStore(tmp_path / "own" / "samples.db")
    late = simulate(5.0, rate_hz=50, placement="T12", seed=9, story="demo")
    store.write_batches(batches(late, START_NS + 2 * DAY_NS + 3600 * 10**9))
    store.close()
    second = run(tmp_path / "own", tmp_path, compute_here)
    assert (first.kept, second.kept) == (0, 4)


@pytest.mark.parametrize(
    ("scheduler", "code", "says"),
    [("sometimes", 2, "local:4"), ("local:0", 2, "local:4")],
)
def test_a_wrong_scheduler_is_said(data_dir: Path, scheduler: str, code: int, says: str) -> None:
    words = ["reanalyse", "--wearer", "demo", "--from", "2026-03-02", "--to", "2026-03-02"]
    words += ["--scheduler", scheduler, "--data-dir", str(data_dir)]
    answer = CliRunner().invoke(main, words)
    assert (answer.exit_code, says in answer.output) == (code, True), answer.output
