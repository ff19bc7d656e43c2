"""Alerts, personal limits, and who saw what."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import marshmallow as ma
from flask import abort, jsonify
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.accounts.tokens import LIMITS, READ
from analytics.dashboard.access import Permission, clinic, requires
from analytics.dashboard.api.blueprint import ErrorSchema, blueprint, by_token, page_of, seen
from analytics.dashboard.api.fields import IfMatch, Instant, Span
from analytics.exposure.alerts import AlertSettings
from analytics.limits import ChangedMeanwhileError, change_limits, tag_of
from analytics.store.records import WearerSettings


class AlertSchema(ma.Schema):
    """An alert that was given."""

    at_utc = Instant(attribute="at_ns")
    kind = ma.fields.String()
    text = ma.fields.String()


class LimitsSchema(ma.Schema):
    """Personal limits."""

    slouch_enter_deg = ma.fields.Float(
        allow_none=True, metadata={"description": "null: what the analysis uses by itself"}
    )
    slouch_bout_min_s = ma.fields.Float()
    walking_limit_s = ma.fields.Float()
    alerts_on = ma.fields.Boolean()


class ChangeLimitsSchema(ma.Schema):
    """Limits to change; what is not given stays."""

    slouch_enter_deg = ma.fields.Float(
        allow_none=True, metadata={"description": "above 0, up to 90; null: the analysis's own"}
    )
    slouch_bout_min_s = ma.fields.Float(metadata={"description": "above 0, up to 86400"})
    walking_limit_s = ma.fields.Float(metadata={"description": "above 0, up to 86400"})


class LimitChangeSchema(ma.Schema):
    """A limit got another value; null: what the analysis uses by itself."""

    at_utc = Instant(attribute="at_ns")
    user = ma.fields.String()
    name = ma.fields.String()
    old = ma.fields.Float(allow_none=True)
    new = ma.fields.Float(allow_none=True)


class AuditSchema(ma.Schema):
    """Who did what."""

    at_utc = Instant(attribute="at_ns")
    user = ma.fields.String()
    action = ma.fields.String()
    detail = ma.fields.String()


@blueprint.get("/wearers/<wearer>/alerts")
@requires(Permission.WEARER, scope=READ)
@blueprint.arguments(Span, location="query")
@blueprint.response(200, AlertSchema(many=True))
@blueprint.paginate()
def alerts(chosen: dict[str, int], wearer: str, pagination_parameters: Any) -> Any:
    """Alerts that were given, in order of time."""
    seen(wearer, "alerts")
    return page_of(clinic().alerts(wearer, **chosen), pagination_parameters)


@blueprint.get("/wearers/<wearer>/alert-settings")
@requires(Permission.WEARER, scope=READ)
@blueprint.response(200, {"type": "object"})
def alert_settings(wearer: str) -> ResponseReturnValue:
    """What the wearer allows of alerts; docs/alerts.md explains the names."""
    seen(wearer, "alert settings")
    return jsonify(AlertSettings.from_dict(clinic().alert_settings(wearer)).to_dict())


@blueprint.get("/wearers/<wearer>/limits")
@requires(Permission.WEARER, scope=READ)
@blueprint.response(200, LimitsSchema)
def limits(wearer: str) -> Any:
    """The personal limits that the analysis uses."""
    seen(wearer, "limits")
    return _with_tag(clinic().wearer(wearer).settings)


@blueprint.patch("/wearers/<wearer>/limits")
@requires(Permission.CLINICIAN, scope=LIMITS)
@blueprint.arguments(ChangeLimitsSchema)
@blueprint.arguments(IfMatch, location="headers")
@blueprint.response(200, LimitsSchema)
@blueprint.alt_response(412, schema=ErrorSchema, description="changed by somebody else meanwhile")
@blueprint.alt_response(428, schema=ErrorSchema, description="the header If-Match is missing")
def change(said: dict[str, float | None], headers: dict[str, str], wearer: str) -> Any:
    """Change personal limits, as the page does; the history keeps what they were."""
    if not headers.get("if_match"):
        abort(428)
    # A proxy that packs answers marks the tag of what it packed as weak.
    tag = headers["if_match"].strip().removeprefix("W/").strip('"')
    try:
        after = change_limits(
            clinic(), wearer, said, tag=tag, by=current_user.name, via=by_token().lstrip(", ")
        )
    except ChangedMeanwhileError:
        abort(412)
    return _with_tag(after)


@blueprint.get("/wearers/<wearer>/limits/changes")
@requires(Permission.WEARER, scope=READ)
@blueprint.response(200, LimitChangeSchema(many=True))
@blueprint.paginate()
def limit_changes(wearer: str, pagination_parameters: Any) -> Any:
    """Who changed which limit when, newest first."""
    seen(wearer, "limits")
    return page_of(clinic().limit_changes(wearer), pagination_parameters)


def _with_tag(settings: WearerSettings) -> tuple[dict[str, Any], int, dict[str, str]]:
    return asdict(settings), 200, {"ETag": f'"{tag_of(settings)}"'}


@blueprint.get("/wearers/<wearer>/audit")
@requires(Permission.WEARER, scope=READ)
@blueprint.response(200, AuditSchema(many=True))
@blueprint.paginate()
def audit(wearer: str, pagination_parameters: Any) -> Any:
    """Who saw and changed what about the wearer, newest first."""
    seen(wearer, "audit")
    pagination_parameters.item_count = clinic().audit_count(wearer)
    return clinic().audit_entries(
        wearer,
        limit=pagination_parameters.page_size,
        skip=pagination_parameters.first_item,
    )
