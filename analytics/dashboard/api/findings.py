"""Results of every kind, what goes together with pain, and what the audits of delivery found."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

import marshmallow as ma
from flask import abort, jsonify
from flask.typing import ResponseReturnValue

from analytics.accounts.tokens import READ
from analytics.dashboard import association as page
from analytics.dashboard import association_words
from analytics.dashboard.access import Permission, clinic, readings, requires
from analytics.dashboard.api.blueprint import blueprint, page_of, seen
from analytics.dashboard.api.fields import Dates, Instant, Span
from analytics.store.base import PRESENT


class ResultSpanSchema(ma.Schema):
    """Results of one kind that a wearer has."""

    kind = ma.fields.String()
    first_utc = Instant(attribute="first_ns")
    last_utc = Instant(attribute="last_ns")


class ResultSchema(ma.Schema):
    """One movement, episode, bout, or minute; the body is described in the data dictionary."""

    kind = ma.fields.String()
    start_utc = Instant(attribute="start_ns")
    end_utc = Instant(attribute="end_ns")
    body = ma.fields.Dict()


class DeliverySchema(ma.Schema):
    """What was sent against what is stored, of a local day."""

    day = ma.fields.String()
    made_utc = Instant(attribute="made_ns")
    body = ma.fields.Dict()


@blueprint.get("/wearers/<wearer>/results")
@requires(Permission.WEARER, scope=READ)
@blueprint.response(200, ResultSpanSchema(many=True))
def kinds(wearer: str) -> Any:
    """Which kinds of results there are: movements, episodes, bouts, gait signs, breathing, ..."""
    seen(wearer, "kinds of results")
    return [span for span in readings().result_spans(wearer) if span.version == PRESENT]


@blueprint.get("/wearers/<wearer>/results/<kind>")
@requires(Permission.WEARER, scope=READ)
@blueprint.arguments(Span, location="query")
@blueprint.response(200, ResultSchema(many=True))
@blueprint.paginate()
def results(chosen: dict[str, int], wearer: str, kind: str, pagination_parameters: Any) -> Any:
    """Results of one kind that overlap the range, in order of time."""
    if not kind.isascii() or not kind.replace("_", "").isalnum():
        abort(404)
    seen(wearer, f"results {kind[:40]}")
    return page_of(readings().results(wearer, kind, **chosen), pagination_parameters)


@blueprint.get("/wearers/<wearer>/association")
@requires(Permission.WEARER, scope=READ)
@blueprint.response(200, {"type": "object"})
def association(wearer: str) -> ResponseReturnValue:
    """What goes together with pain over the last 90 days, in figures and in words."""
    seen(wearer, "association")
    first, found = page.answer_of(wearer)
    plain = asdict(found)
    for name, say in (
        ("answers", association_words.sentence),
        ("reverse", association_words.reverse_sentence),
        ("flares", association_words.flare_sentence),
    ):
        plain[name] = [
            {**item, "text": say(record)}
            for item, record in zip(plain[name], getattr(found, name), strict=True)
        ]
    return jsonify(first_day=first.date.isoformat(), caution=association_words.caution(), **plain)


@blueprint.get("/wearers/<wearer>/deliveries")
@requires(Permission.WEARER, scope=READ)
@blueprint.arguments(Dates, location="query")
@blueprint.response(200, DeliverySchema(many=True))
@blueprint.paginate()
def deliveries(chosen: dict[str, date], wearer: str, pagination_parameters: Any) -> Any:
    """What the daily audit found: samples sent, stored, missing, and why."""
    seen(wearer, "deliveries")
    first, last = chosen["first"].isoformat(), chosen["last"].isoformat()
    return page_of(clinic().deliveries(wearer, first, last), pagination_parameters)
