"""The state of this moment in words, made once on the server for pages and pollers alike.

A page follows it by server-sent events. A stream takes a thread of the server for as long as it
lasts, so that there are MAX_STREAMS at most; a page that gets none asks every second instead.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from flask import (
    Blueprint,
    Response,
    copy_current_request_context,
    current_app,
    jsonify,
    render_template,
    request,
)
from flask.typing import ResponseReturnValue
from flask_login import current_user

from analytics.alert_watch import settings_of
from analytics.dashboard import words
from analytics.dashboard.access import Permission, clinic, readings, requires, view_log
from analytics.dashboard.language import clock, gettext, short_day
from analytics.dashboard.readings import Now
from analytics.dashboard.timers import timers
from analytics.exposure.days import NS_PER_S
from analytics.store.base import StoreError
from analytics.store.records import ClinicError

blueprint = Blueprint("live", __name__)

MAX_STREAMS: Final = 24
STREAM_S: Final = 55.0
"""A stream ends after this time and the browser opens it again: a log-in that has ended, or a
grant that was taken back, is noticed then."""
EVERY_S: Final = 1.0
AGAIN_MS: Final = 300
"""How soon the browser opens a stream again that has ended."""
SIGN_OF_LIFE: Final = 5
"""A stream that has nothing to say sends a comment after so many looks, so that the server notices
when the reader has gone."""

MOST_AT_ONCE: Final = 60
"""Rows of the list that a screen can show."""


class Streams:
    """The streams of one app: how many there may be, and whether they shall end."""

    def __init__(self) -> None:
        self.free = threading.BoundedSemaphore(MAX_STREAMS)
        self.ended = threading.Event()

    def end(self) -> None:
        """All of them end within a moment; new ones say what there is and end."""
        self.ended.set()


@blueprint.get("/live/<wearer>")
@requires(Permission.WEARER, background=True)
def stream(wearer: str) -> ResponseReturnValue:
    """Server-sent events: the state whenever it has changed. 503 when there are too many."""
    streams: Streams = current_app.extensions["streams"]
    if not streams.free.acquire(blocking=False):
        return jsonify(error="Too many pages are open. Ask for the state instead."), 503
    try:
        view_log().poll(current_user.name, [wearer], "live")
        first = page_state(wearer)
    except BaseException:
        streams.free.release()
        raise
    look = copy_current_request_context(partial(page_state, wearer))
    response = Response(
        _events(look, first, streams.ended),
        mimetype="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )
    response.call_on_close(streams.free.release)
    return response


@blueprint.get("/live/<wearer>/once")
@requires(Permission.WEARER, background=True)
def once(wearer: str) -> ResponseReturnValue:
    """The same state, once."""
    view_log().poll(current_user.name, [wearer], "live, asked for")
    return jsonify(page_state(wearer))


@blueprint.get("/live")
@requires(Permission.STAFF, background=True)
def some() -> ResponseReturnValue:
    """wearer -> the state of this moment, for those of `?wearer=..` that the user may see."""
    asked = set(request.args.getlist("wearer")[:MOST_AT_ONCE])
    ids = sorted(asked & set(clinic().visible_wearers(current_user.name)))
    view_log().poll(current_user.name, ids, "list, live")
    found, now_ns = readings(), readings().clock_ns()
    zones = {person.wearer: person.time_zone for person in clinic().wearers()}
    return jsonify({w: now_json(found.now(w), now_ns, ZoneInfo(zones[w])) for w in ids})


def _events(
    look: Callable[[], dict[str, Any]], state: dict[str, Any], ended: threading.Event
) -> Iterator[str]:
    ends_s, told, quiet = time.monotonic() + STREAM_S, "", 0
    yield f"retry: {AGAIN_MS}\n\n"
    while True:
        text = json.dumps(state)
        quiet = 0 if text != told else quiet + 1
        if text != told:
            yield f"data: {text}\n\n"
            told = text
        elif quiet % SIGN_OF_LIFE == 0:
            yield ":\n\n"
        if time.monotonic() >= ends_s or ended.wait(EVERY_S):
            return
        try:
            state = look()
        except (StoreError, ClinicError):
            return  # the browser asks again, and is told why there is nothing


def page_state(wearer: str) -> dict[str, Any]:
    """What the page of one wearer shows of this moment: `now_json`, the figure and the timers;
    `events` changes when the counts of today do."""
    found = readings()
    person = clinic().wearer(wearer)
    now = found.now(wearer)
    state = now_json(now, found.clock_ns(), person.zone)
    state["events"] = found.events(wearer)
    lines = []
    if now.live and now.worn:
        moment = found.moment(wearer, state["events"])
        settings = settings_of(clinic(), person)
        lasts_s = moment.posture_s(now.posture)
        lines = timers(moment.present, settings, now.posture, lasts_s)
    state["timers_html"] = render_template("timers.html", timers=lines)
    del state["age_s"], state["last_seen_ns"]  # change each second and are not shown
    return state


def now_json(now: Now, now_ns: int, zone: ZoneInfo) -> dict[str, Any]:
    """JSON of GET /api/.../now; `headline`, `detail` and `seen` are what the page shows."""
    headline, detail = _words(now)
    return {
        "live": now.live,
        "age_s": None if now.age_s is None else round(now.age_s, 1),
        "posture": now.posture if now.live else None,
        "flexion_deg": now.flexion_deg if now.live else None,
        "slouched": now.slouched if now.live else None,
        "worn": now.worn if now.live else None,
        "battery_pct": now.battery_pct,
        "last_seen_ns": now.last_seen_ns,
        "state": _state(now),
        "figure": _figure(now),
        "lean_deg": round(now.flexion_deg or 0.0) if now.live and now.worn else 0,
        "headline": headline,
        "detail": detail,
        "seen": _seen(now, now_ns, zone),
        "battery": ""
        if now.battery_pct is None
        else gettext("Battery %(percent)d %%", percent=now.battery_pct),
    }


def _state(now: Now) -> str:
    """One word for the look of it: stale, not_worn, slouched or a posture band."""
    if not now.live or now.posture is None:
        return "stale"
    if now.slouched:
        return "slouched"
    return "lying" if now.posture in words.LYING else now.posture


def _figure(now: Now) -> str:
    """Which figure is drawn: a posture band, or none."""
    if not now.live or now.posture in {None, "unknown", "not_worn"}:
        return "none"
    return "lying" if now.posture in words.LYING else str(now.posture)


def _words(now: Now) -> tuple[str, str]:
    if now.behind:
        late = (
            gettext("The sensor sends, the analysis is late.")
            if now.age_s is None
            else gettext("The sensor sends, the analysis is late by %(n)d s.", n=round(now.age_s))
        )
        return gettext("Catching up"), late
    if not now.live:
        return gettext("No live data"), gettext(
            "The sensor is off, out of reach, or its data is late."
        )
    if now.worn is False or now.posture == "not_worn":
        return str(words.POSTURES["not_worn"]), gettext("Put the sensor on to go on recording.")
    headline = str(words.POSTURES.get(now.posture or "unknown", words.POSTURES["unknown"]))
    detail = []
    if now.slouched is not None:
        detail.append(gettext("slouched") if now.slouched else gettext("not slouched"))
    if now.flexion_deg is not None and now.posture not in words.LYING:
        detail.append(lean(now.flexion_deg))
    if not detail and now.posture not in words.LYING:
        detail.append(gettext("angle not known"))
    text = ", ".join(detail)
    return headline, text[:1].upper() + text[1:]


def lean(flexion_deg: float) -> str:
    """ "upright", "trunk 12° forward"."""
    degrees = round(abs(flexion_deg))
    if degrees == 0:
        return gettext("upright")
    if flexion_deg > 0:
        return gettext("trunk %(degrees)d° forward", degrees=degrees)
    return gettext("trunk %(degrees)d° back", degrees=degrees)


def _seen(now: Now, now_ns: int, zone: ZoneInfo) -> str:
    if now.live:
        return gettext("Live")
    if now.last_seen_ns is None:
        return gettext("Never seen")
    at = words.local(now.last_seen_ns, zone)
    today = words.local(now_ns, zone).date()
    when = clock(at) if at.date() == today else f"{short_day(at.date())}, {clock(at)}"
    ago = words.ago((now_ns - now.last_seen_ns) / NS_PER_S)
    return gettext("Last seen %(when)s (%(ago)s)", when=when, ago=ago)
