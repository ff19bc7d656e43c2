"""One export: the pieces of a format, written one after the other into a folder that explains
itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from analytics.export import dictionary
from analytics.export.errors import ExportError
from analytics.export.formats import ExportFormat, options_of, planner
from analytics.export.piece import Piece, Progress
from analytics.export.pseudonym import SMALL_K, smallest_group
from analytics.export.source import Source
from analytics.export.stage import PROVENANCE, staged
from analytics.export.subject import Subject
from analytics.export.tables import iso_text
from analytics.store.base import Store


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be exported."""

    subjects: Sequence[Subject]
    form: ExportFormat
    parts: frozenset[str]
    """Of what the format holds."""
    options: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise ExportError for what cannot be written."""
        if not self.subjects:
            raise ExportError("an export needs at least one wearer")
        if missing := sorted(self.parts - set(self.form.holds)):
            raise ExportError(
                f"{self.form.name} holds no {missing[0]} data, only {', '.join(self.form.holds)}"
            )
        names = [subject.name for subject in self.subjects]
        if len(set(names)) < len(names):
            raise ExportError("two wearers would have the same name; use another key")


class Export:
    """An export that is ready to be written. Raises ExportError, StoreError."""

    def __init__(self, store: Store, request: Request, *, about: Mapping[str, Any]) -> None:
        """about: further entries of the provenance."""
        request.check()
        self._request, self._about = request, about
        self._options = options_of(request.form, request.options)
        self._source = Source(store, request.subjects, request.parts)
        self._pieces: Sequence[Piece] = planner(request.form)(self._source, self._options)

    @property
    def work_ns(self) -> int:
        """What `progress` of `write` will sum up to."""
        return sum(piece.work_ns for piece in self._pieces)

    def write(
        self, target: Path, *, force: bool = False, progress: Progress = lambda _: None
    ) -> dict[str, Any]:
        """Write the folder `target`; returns what stands in its provenance.json.

        Killed half-way, the same export goes on where it stopped; until it is complete nothing
        stands under `target` that was not there before.
        """
        with staged(target, self._identity(), force=force) as stage:
            for piece in self._pieces:
                if stage.has(piece.name):
                    progress(piece.work_ns)
                    continue
                stage.finish(piece.name, piece.write(stage.folder, progress))
            files = stage.files()
            told = dictionary.named({file.table for file in files if file.table})
            if told:
                stage.add("dictionary.json", dictionary.as_json(told))
            rows = {file.file: file.rows for file in files if file.rows is not None}
            provenance = self._provenance() | {"rows": rows}
            stage.add(PROVENANCE, provenance)
        return provenance

    def _identity(self) -> dict[str, Any]:
        """What has to be the same for a run to go on with the files of another."""
        return {
            "version": dictionary.VERSION,
            "software": self._about.get("software_version"),
            "format": self._request.form.name,
            "options": self._options,
            "parts": sorted(self._request.parts),
            "subjects": [
                [x.wearer, x.name, x.start_ns, x.end_ns, x.zone.key, x.shift_ns]
                for x in self._request.subjects
            ],
        }

    def _provenance(self) -> dict[str, Any]:
        k, shifted = anonymity(self._request.subjects), self._request.subjects[0].shift_ns != 0
        return {
            "schema": dictionary.VERSION,
            "format": self._request.form.name,
            "options": self._options,
            "parts": sorted(self._request.parts),
            "subjects": [self._told(subject) for subject in self._request.subjects],
            "dates_shifted": shifted,
            "smallest_group": k,
            **self._about,
        }

    def _told(self, subject: Subject) -> dict[str, Any]:
        return {
            "subject": subject.name,
            "from_utc": _iso(subject.start_ns + subject.shift_ns),
            "to_utc": _iso(subject.end_ns + subject.shift_ns),
            "time_zone": subject.zone.key,
            "sensors": [asdict(sensor) for sensor in subject.sensors],
            "computed_by": self._computed_by(subject),
        }

    def _computed_by(self, subject: Subject) -> list[dict[str, str]]:
        """Algorithm version and parameter hash of everything behind the results."""
        if not self._source.wants_results:
            return []
        found = self._source.store.provenances(subject.wearer, subject.start_ns, subject.end_ns)
        return [asdict(provenance) for provenance in found]


def anonymity(subjects: Iterable[Subject]) -> int:
    """How many subjects share the rarest combination of what the files tell beside the
    measurements: time zone, sensors, and, unless dates are shifted, the first and last day."""
    return smallest_group(
        (
            subject.zone.key,
            tuple(sorted((x.profile or "", x.placement or "") for x in subject.sensors)),
            None if subject.shift_ns else (subject.start_ns, subject.end_ns),
        )
        for subject in subjects
    )


def warnings(subjects: Sequence[Subject]) -> list[str]:
    """What whoever hands an export on should know about the people in it."""
    k = anonymity(subjects)
    is_own = len(subjects) == 1 and subjects[0].name == subjects[0].wearer
    if k >= SMALL_K or is_own:
        return []
    return [
        f"{len(subjects)} wearers, and only {k} of the rarest time zone, sensors and dates (k = {k}"
        f" of {SMALL_K}): whoever knows one of them may find out who it is"
    ]


def _iso(t_ns: int) -> str:
    return str(iso_text(pa.array([t_ns], pa.timestamp("ns", tz="UTC")))[0])
