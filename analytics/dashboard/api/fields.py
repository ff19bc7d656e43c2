"""Values of the API: instants as text, and the ranges that a query may ask for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import marshmallow as ma

NS_PER_S: Final = 1_000_000_000
_FIRST = datetime(1971, 1, 1, tzinfo=UTC)
_LAST = datetime(2100, 1, 1, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_DAYS: Final = 400
"""A question reaches over a year and a bit: everything is read to answer it."""


def iso(t_ns: int) -> str:
    """UTC nanoseconds as "2026-03-02T06:00:00.020000000Z"."""
    seconds, rest_ns = divmod(t_ns, NS_PER_S)
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"


class Instant(ma.fields.Field[int]):
    """UTC nanoseconds here, ISO 8601 with a zone outside."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else iso(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        try:
            moment = datetime.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise ma.ValidationError("use ISO 8601, for example 2026-03-02T08:00:00Z") from error
        if moment.tzinfo is None:
            raise ma.ValidationError("the zone is missing: end with Z or for example %2B01:00")
        try:
            if not _FIRST <= moment < _LAST:
                raise ma.ValidationError("use a time between 1971 and 2100")
        except OverflowError as error:
            raise ma.ValidationError("use a time between 1971 and 2100") from error
        return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


class IfMatch(ma.Schema):
    """For which state of a thing a change is meant: the ETag that reading it gave."""

    if_match = ma.fields.String(data_key="If-Match")


class Span(ma.Schema):
    """A range of time: from inclusive, to exclusive."""

    start_ns = Instant(data_key="from", required=True)
    end_ns = Instant(data_key="to", required=True)
    max_days = MAX_DAYS

    @ma.validates_schema
    def check(self, data: dict[str, Any], **_: Any) -> None:
        """ValidationError unless the range is one and not too long."""
        length_ns = data["end_ns"] - data["start_ns"]
        if length_ns <= 0:
            raise ma.ValidationError("must be after from", "to")
        if length_ns > self.max_days * 86_400 * NS_PER_S:
            raise ma.ValidationError(f"ask for at most {self.max_days} days at once", "to")


class Dates(ma.Schema):
    """A range of local days, both included."""

    first = ma.fields.Date(data_key="from", required=True)
    last = ma.fields.Date(data_key="to", required=True)

    @ma.validates_schema
    def check(self, data: dict[str, date], **_: Any) -> None:
        """ValidationError unless the range is one and not too long."""
        if not date(1971, 1, 1) <= data["first"] <= data["last"] < date(2100, 1, 1):
            raise ma.ValidationError("must not be before from", "to")
        if (data["last"] - data["first"]).days >= MAX_DAYS:
            raise ma.ValidationError(f"ask for at most {MAX_DAYS} days at once", "to")
