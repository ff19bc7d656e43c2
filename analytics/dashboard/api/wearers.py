"""Who is asking, whom they may see, and the state of this moment."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import jsonify
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.accounts.tokens import READ
from analytics.dashboard.access import Permission, clinic, readings, requires, view_log
from analytics.dashboard.api.blueprint import blueprint, page_of, seen
from analytics.dashboard.api.fields import Instant
from analytics.dashboard.live import now_json
from analytics.dashboard.wanted import zone_of


class NowSchema(ma.Schema):
    """The latest second, if it is recent."""

    live = ma.fields.Boolean(required=True)
    age_s = ma.fields.Float(allow_none=True)
    posture = ma.fields.String(allow_none=True)
    flexion_deg = ma.fields.Float(allow_none=True)
    slouched = ma.fields.Boolean(allow_none=True)
    worn = ma.fields.Boolean(allow_none=True)
    battery_pct = ma.fields.Integer(allow_none=True)
    last_seen_utc = Instant(allow_none=True, attribute="last_seen_ns")
    state = ma.fields.String(metadata={"description": "stale, not_worn, slouched or a posture"})
    headline = ma.fields.String()
    detail = ma.fields.String()
    seen = ma.fields.String()
    battery = ma.fields.String()


class AccountSchema(ma.Schema):
    """Who is asking."""

    name = ma.fields.String(required=True)
    role = ma.fields.String(required=True)
    wearer = ma.fields.String(allow_none=True, metadata={"description": "own one of a patient"})


class SensorSchema(ma.Schema):
    """A sensor that has samples or has reported."""

    sensor = ma.fields.String(required=True)
    first_utc = Instant(attribute="first_ns", allow_none=True)
    last_utc = Instant(attribute="last_ns", allow_none=True)
    placement = ma.fields.String(allow_none=True)
    profile = ma.fields.String(allow_none=True)
    rate_hz = ma.fields.Float(allow_none=True)
    battery_pct = ma.fields.Integer(allow_none=True)


class ListedSchema(ma.Schema):
    """A wearer in the list."""

    wearer = ma.fields.String(required=True)
    time_zone = ma.fields.String(required=True)
    now = ma.fields.Nested(NowSchema)


class WearerSchema(ma.Schema):
    """A wearer and the sensors."""

    wearer = ma.fields.String(required=True)
    time_zone = ma.fields.String(required=True)
    sensors = ma.fields.List(ma.fields.Nested(SensorSchema))


@blueprint.get("/me")
@requires(Permission.LOGGED_IN, scope=READ)
@blueprint.response(200, AccountSchema)
def me() -> Any:
    """Who is asking."""
    return current_user


@blueprint.get("/now")
@requires(Permission.LOGGED_IN, scope=READ, background=True)
@blueprint.response(200, {"type": "object", "additionalProperties": {"type": "object"}})
def now_of_all() -> ResponseReturnValue:
    """The state of this moment by wearer, of everybody whom the caller may see."""
    ids = clinic().visible_wearers(current_user.name)
    view_log().poll(current_user.name, ids, "now")
    return jsonify({wearer: NowSchema().dump(_now(wearer)) for wearer in ids})


@blueprint.get("/wearers")
@requires(Permission.LOGGED_IN, scope=READ)
@blueprint.response(200, ListedSchema(many=True))
@blueprint.paginate()
def wearers(pagination_parameters: Any) -> Any:
    """Everybody whom the caller may see, and the state of this moment."""
    ids = page_of(clinic().visible_wearers(current_user.name), pagination_parameters)
    view_log().page(current_user.name, ids, "list")
    return [
        {"wearer": wearer, "time_zone": zone_of(wearer).key, "now": _now(wearer)} for wearer in ids
    ]


@blueprint.get("/wearers/<wearer>")
@requires(Permission.WEARER, scope=READ)
@blueprint.response(200, WearerSchema)
def wearer(wearer: str) -> Any:
    """One wearer and the sensors."""
    seen(wearer, "sensors")
    found: dict[str, dict[str, Any]] = {}
    for sensor in clinic().sensors(wearer):
        birth, status = sensor.birth, sensor.status
        found[sensor.sensor] = {
            "placement": birth and birth.placement,
            "profile": birth and birth.profile,
            "rate_hz": birth and birth.rate_hz,
            "battery_pct": status and status.battery_pct,
        }
    for span in readings().sensors(wearer):
        found.setdefault(span.sensor, {})
        found[span.sensor] |= {"first_ns": span.first_ns, "last_ns": span.last_ns}
    sensors = [{"sensor": name, **what} for name, what in sorted(found.items())]
    return {"wearer": wearer, "time_zone": zone_of(wearer).key, "sensors": sensors}


@blueprint.get("/wearers/<wearer>/now")
@requires(Permission.WEARER, scope=READ, background=True)
@blueprint.response(200, NowSchema)
def now(wearer: str) -> Any:
    """The state of this moment."""
    view_log().poll(current_user.name, [wearer], "now")
    return _now(wearer)


def _now(wearer: str) -> dict[str, Any]:
    found = readings()
    return now_json(found.now(wearer), found.clock_ns(), zone_of(wearer))
