"""What the commands about people share: the clinic database, who is asking, points in time."""

from __future__ import annotations

import datetime as dt
import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from analytics.store.base import StoreError
from analytics.store.clinic import FILE_NAME, Clinic
from analytics.store.records import ClinicError


@contextmanager
def clinic_in(data_dir: Path) -> Iterator[Clinic]:
    """The clinic database of a data directory; its refusals become errors of the command."""
    try:
        clinic = Clinic(data_dir / FILE_NAME)
        try:
            yield clinic
        finally:
            clinic.close()
    except (ClinicError, StoreError) as error:
        raise click.ClickException(str(error)) from error


def operator() -> str:
    """Account name of who runs the command, for the audit: `cli:` and the system's name."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return "cli"


def as_json(record: Any) -> str:
    """A record, or a list of records, as JSON."""
    plain = [asdict(item) for item in record] if isinstance(record, list) else asdict(record)
    return json.dumps(plain, indent=2)


def instant_ns(text: str, option: str) -> int:
    """UTC nanoseconds of an ISO 8601 time with zone; click.BadParameter for anything else."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no time; use for example 2026-03-02T08:00:00+01:00", param_hint=option
        ) from error
    if moment.tzinfo is None:
        raise click.BadParameter(
            f"{text!r} has no zone; use for example {text}Z or {text}+01:00", param_hint=option
        )
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (since // dt.timedelta(microseconds=1)) * 1000


def day_range_ns(first: str, last: str, zone: ZoneInfo) -> tuple[int, int]:
    """UTC nanoseconds of what --from and --to say: local days, the last included, or instants, the
    last excluded. UsageError when nothing lies between them."""
    start_ns = _day_or_instant_ns(first, zone, "--from", days_later=0)
    end_ns = _day_or_instant_ns(last, zone, "--to", days_later=1)
    if end_ns <= start_ns:
        raise click.UsageError(f"--to {last} is not after --from {first}")
    return start_ns, end_ns


def _day_or_instant_ns(text: str, zone: ZoneInfo, option: str, *, days_later: int) -> int:
    # Imported late: days need numpy, mistakes do not.
    from analytics.exposure.days import Day

    if "T" in text:
        return instant_ns(text, option)
    try:
        return Day(dt.date.fromisoformat(text), zone).plus(days_later).start_ns
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            f"{text!r} is no time; use 2026-03-02 or 2026-03-02T08:00:00+01:00", param_hint=option
        ) from error
