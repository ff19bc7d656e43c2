"""What a user of the pages or of the API wants exported."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from analytics.day_reading import read_days
from analytics.export.errors import ExportError
from analytics.export.formats import PARTS, RAW, named, options_of
from analytics.export.pseudonym import MIN_KEY_BYTES, naming, read_key
from analytics.exposure.days import Day
from analytics.store.base import Store
from analytics.store.clinic import EXPORT_KEY, Clinic

MAX_WEARERS: Final = 500
MAX_DAYS: Final = 3660
NS_PER_S: Final = 1_000_000_000
RAW_BYTES: Final = 32
"""A sample: a time stamp and six float32."""
SECOND_BYTES: Final = 24
"""A second of results: time stamp, posture, two angles, two flags."""
USUAL_RATE_HZ: Final = 50.0


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Series of wearers in a range of local days, in a format."""

    wearers: tuple[str, ...]
    first: date
    last: date
    """included"""
    format: str
    parts: tuple[str, ...]
    """of analytics.export.formats.PARTS"""
    options: Mapping[str, str] = field(default_factory=dict)
    renamed: bool = False
    """wearers get names made with the key of this server"""
    shift_dates: bool = False
    own: bool = False
    """everything that there is of one wearer, for that wearer"""

    def check(self) -> None:
        """ExportError, with what to do, for what cannot be exported."""
        if not 1 <= len(self.wearers) <= MAX_WEARERS:
            raise ExportError(f"choose 1 to {MAX_WEARERS} wearers")
        if not self.first <= self.last or (self.last - self.first).days >= MAX_DAYS:
            raise ExportError(f"choose a range of 1 to {MAX_DAYS} days")
        if not date(1971, 1, 1) <= self.first <= self.last < date(2100, 1, 1):
            raise ExportError("choose days between 1971 and 2100")
        form = named(self.format)
        wanted = set(self.parts)
        if not wanted or wanted - set(form.holds):
            raise ExportError(f"{form.name} holds {' and '.join(form.holds)}; choose of these")
        options_of(form, self.options)

    def json(self) -> dict[str, Any]:
        """As JSON; `of_json` is the way back."""
        return asdict(self) | {"first": self.first.isoformat(), "last": self.last.isoformat()}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> ExportRequest:
        """The request that `json` wrote."""
        return cls(
            **{
                **said,
                "wearers": tuple(said["wearers"]),
                "parts": tuple(said["parts"]),
                "first": date.fromisoformat(said["first"]),
                "last": date.fromisoformat(said["last"]),
            }
        )

    def days(self, zone: ZoneInfo) -> list[Day]:
        """The local days."""
        first = Day(self.first, zone)
        return [first.plus(n) for n in range((self.last - self.first).days + 1)]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an export will hold, about."""

    days: int
    """local days of wearers with any data"""
    samples: int
    size_bytes: int
    """before packing; files with text are larger, packed ones smaller"""


def estimate(store: Store, clinic: Clinic, request: ExportRequest) -> Estimate:
    """From the sums of the days and the rates of the sensors; no sample is read."""
    days, samples, seconds = 0, 0, 0.0
    for wearer in request.wearers:
        chosen = request.days(clinic.wearer(wearer).zone)
        found = [day.exposure for day in read_days(store, wearer, chosen)]
        known_s = [(each.end_ns - each.start_ns) / NS_PER_S - each.gap_min * 60 for each in found]
        days += sum(known > 0 for known in known_s)
        seconds += sum(known_s)
        if RAW in request.parts:
            births = [sensor.birth for sensor in clinic.sensors(wearer)]
            rates = [birth.rate_hz for birth in births if birth is not None]
            samples += round(sum(known_s) * sum(rates or [USUAL_RATE_HZ]))
    size = samples * RAW_BYTES + (
        round(seconds) * SECOND_BYTES if set(request.parts) - {RAW} else 0
    )
    return Estimate(days, samples, size)


def exports_of(
    store: Store, clinic: Clinic, request: ExportRequest, created_ns: int
) -> Sequence[tuple[str, Any]]:
    """Sub-folders and the exports to write there. Raises ExportError, ClinicError, StoreError."""
    # Imported late: the pages need no pyarrow until somebody exports.
    from analytics.export.bundle import Export, Request
    from analytics.export.subject import subject_of

    request.check()
    key = server_key(clinic.folder) if request.renamed or request.shift_dates else None
    names = naming(request.wearers, key=key, pseudonym=None, shift_dates=request.shift_dates)
    subjects = []
    for wearer in request.wearers:
        days = request.days(clinic.wearer(wearer).zone)
        range_ns = (days[0].start_ns, days[-1].end_ns)
        subjects.append(subject_of(clinic, wearer, days[0].zone, range_ns, names))
    about = {
        "software_version": version("trunkline"),
        "created_at": datetime.fromtimestamp(created_ns // NS_PER_S, UTC).isoformat(),
    }
    wanted = dict.fromkeys(request.parts, request.format)
    if request.own:
        # Tables for a person's spreadsheet; samples where nobody reads them line by line.
        wanted = {part: "parquet" if part == RAW else "csv" for part in request.parts}
    grouped: dict[str, list[str]] = {}
    for part in PARTS:
        if part in wanted:
            grouped.setdefault(wanted[part], []).append(part)
    return [
        (
            "-".join(parts),
            Export(
                store,
                Request(
                    subjects,
                    named(name),
                    frozenset(parts),
                    request.options if name == request.format else {},
                ),
                about=about,
            ),
        )
        for name, parts in grouped.items()
    ]


def server_key(folder: Path) -> bytes:
    """The key of this server, made when it is first needed, readable by its owner only."""
    path = folder / EXPORT_KEY
    with suppress(FileExistsError):
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(made, "w") as file:
            file.write(secrets.token_hex(MIN_KEY_BYTES))
    return read_key(path)
