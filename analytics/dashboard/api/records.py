"""Alerts, personal limits, and who saw what."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import marshmallow as ma
from flask import jsonify
from flask.typing import ResponseReturnValue

from analytics.accounts.tokens import READ
from analytics.dashboard.access import Permission, clinic, requires
from analytics.dashboard.api.blueprint import blueprint, page_of, seen
from analytics.dashboard.api.fields import Instant, Span
from analytics.exposure.alerts import AlertSettings


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
    return asdict(clinic().wearer(wearer).settings)


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
