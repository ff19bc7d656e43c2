"""IEEE 1752.1-2021 and Open mHealth: one array of data points for every day of a subject.

Every data point is `ieee:physical-activity:1.0`: a walk with its steps, a posture with its minutes
of the day, a kind of movement with its count (`base_movement_quantity`, unit "movements"). What is
not known makes no data point; a zero was counted.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from analytics.export import dictionary
from analytics.export.day_document import day_pieces
from analytics.export.formats import Options
from analytics.export.piece import Piece
from analytics.export.source import Source
from analytics.export.subject import Subject
from analytics.export.tables import iso_text, short
from analytics.exposure.observable import MOVEMENTS
from analytics.exposure.timeline import POSTURES

SCHEMA: Final = {"namespace": "ieee", "name": "physical-activity", "version": "1.0"}
NAMESPACE: Final = uuid.UUID("6b0f5a54-8f0c-4a3c-9f5d-1d1c6a3b0a52")
"""Ours, for names of data points (RFC 4122, version 5): the same point has the same id in every
export under the same pseudonym."""
STATES: Final = (*(word for word in POSTURES if word not in {"not_worn", "unknown", "walking"}),)


def plan(source: Source, _options: Options) -> Sequence[Piece]:
    """A piece for every day of a subject."""
    return day_pieces(source, _data_points)


def _data_points(
    subject: Subject, tables: Mapping[dictionary.Table, pa.Table]
) -> tuple[list[dict[str, Any]], int] | None:
    points = [*_walks(tables[dictionary.WALKING_BOUTS])]
    if dictionary.DAYS in tables:
        points += _daily(tables[dictionary.DAYS])
    return ([_data_point(subject, body) for body in points], len(points)) if points else None


def _walks(bouts: pa.Table) -> Iterator[dict[str, Any]]:
    for bout, start, end in _with_times(bouts):
        body = _activity("walking", start, end)
        if bout["step_count"] is not None:
            body["base_movement_quantity"] = {"value": bout["step_count"], "unit": "steps"}
        if bout["cadence_spm"] is not None:
            body["average_cadence"] = {"value": short(bout["cadence_spm"]), "unit": "steps/min"}
        if bout["walking_speed_mps"] is not None:
            body["average_speed"] = {"value": short(bout["walking_speed_mps"]), "unit": "m/s"}
        yield body


def _daily(days: pa.Table) -> Iterator[dict[str, Any]]:
    for day, start, end in _with_times(days):
        minutes = {state.replace("_", " "): day[f"{state}_min"] for state in STATES}
        minutes["slouched sitting"] = day["slouched_min"]
        for name, value in minutes.items():
            if value is not None:
                duration = {"value": short(value), "unit": "min"}
                yield _activity(name, start, end) | {"duration": duration}
        for kind in MOVEMENTS:
            if (count := day[f"{kind}_count"]) is not None:
                quantity = {"value": count, "unit": "movements"}
                name = kind.replace("_", " ")
                yield _activity(name, start, end) | {"base_movement_quantity": quantity}


def _with_times(rows: pa.Table) -> Iterator[tuple[dict[str, Any], str, str]]:
    starts, ends = (
        iso_text(rows[name].combine_chunks()).to_pylist() for name in ("start_utc", "end_utc")
    )
    plain = rows.drop_columns(["start_utc", "end_utc"]).to_pylist()
    return zip(plain, starts, ends, strict=True)


def _activity(name: str, start: str, end: str) -> dict[str, Any]:
    interval = {"start_date_time": start, "end_date_time": end}
    return {"activity_name": name, "effective_time_frame": {"time_interval": interval}}


def _data_point(subject: Subject, body: Mapping[str, Any]) -> dict[str, Any]:
    interval = body["effective_time_frame"]["time_interval"]
    name = f"{subject.name} {body['activity_name']} {interval['start_date_time']}"
    return {
        "header": {
            "uuid": str(uuid.uuid5(NAMESPACE, name)),
            "schema_id": SCHEMA,
            "source_creation_date_time": interval["end_date_time"],
            "modality": "sensed",
        },
        "body": body,
    }
