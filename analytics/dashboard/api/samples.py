"""A window of raw samples of one sensor, at full rate or as an envelope, and it says which."""

from __future__ import annotations

from typing import Any, Final

import marshmallow as ma
import numpy as np
from flask import jsonify
from flask.typing import ResponseReturnValue
from marshmallow.validate import Range
from numpy.typing import NDArray

from analytics.accounts.tokens import READ
from analytics.dashboard.access import Permission, readings, requires
from analytics.dashboard.api.blueprint import blueprint, seen
from analytics.dashboard.api.fields import NS_PER_S, Instant, Span, iso
from analytics.sample_window import SampleWindow

MAX_POINTS: Final = 10_000
DIGITS: Final = 4
"""0.0001 m/s2 is a tenth of what the best of the sensors resolves."""


class WindowQuery(Span):
    """Which window, and into how many points."""

    points = ma.fields.Integer(
        load_default=2000,
        validate=Range(2, MAX_POINTS),
        metadata={"description": "rows at most; fewer samples than that come at full rate"},
    )
    max_days = 2


_VALUES = ma.fields.Dict(
    keys=ma.fields.String(),
    values=ma.fields.List(ma.fields.Float(allow_none=True)),
    allow_none=True,
)


class WindowSchema(ma.Schema):
    """All samples of the window, or low and high of equal pieces of time. Gaps have no rows."""

    from_utc = Instant()
    to_utc = Instant()
    samples = ma.fields.Integer(metadata={"description": "how many the store has in the window"})
    full_rate = ma.fields.Boolean(
        metadata={"description": "true: `values` holds every sample; false: `low` and `high`"}
    )
    piece_s = ma.fields.Float(allow_none=True, metadata={"description": "length of a piece"})
    time_s = ma.fields.List(ma.fields.Float(), metadata={"description": "seconds after from_utc"})
    values = _VALUES
    low = _VALUES
    high = _VALUES


@blueprint.get("/wearers/<wearer>/sensors/<sensor>/samples")
@requires(Permission.WEARER, scope=READ)
@blueprint.arguments(WindowQuery, location="query")
@blueprint.response(200, WindowSchema)
def samples(chosen: dict[str, int], wearer: str, sensor: str) -> ResponseReturnValue:
    """Raw samples (accel m/s2, gyro rad/s, mag uT) of at most two days."""
    seen(wearer, f"samples {iso(chosen['start_ns'])[:19]}Z")
    return jsonify(window_json(readings().samples(wearer, sensor, **chosen)))


def window_json(window: SampleWindow) -> dict[str, Any]:
    """A window as the JSON object of WindowSchema."""
    full = window.piece_ns is None
    return {
        "from_utc": iso(window.start_ns),
        "to_utc": iso(window.end_ns),
        "samples": window.samples,
        "full_rate": full,
        "piece_s": None if window.piece_ns is None else window.piece_ns / NS_PER_S,
        "time_s": ((window.t_ns - window.start_ns) / NS_PER_S).tolist(),
        "values": _columns(window, window.low) if full else None,
        "low": None if full else _columns(window, window.low),
        "high": None if full else _columns(window, window.high),
    }


def _columns(window: SampleWindow, values: NDArray[np.float32]) -> dict[str, list[float | None]]:
    rounded = np.round(values.astype(np.float64), DIGITS)
    plain = rounded.astype(object)
    plain[~np.isfinite(rounded)] = None
    return {name: plain[:, n].tolist() for n, name in enumerate(window.columns)}
