"""The dashboard as a WSGI app."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect

from analytics.accounts.sessions import PATIENT_LIFETIME_NS
from analytics.dashboard import (
    account,
    account_of,
    alerts,
    api,
    assets,
    association,
    auth,
    calibration,
    clinical,
    clinician,
    compare,
    errors,
    headers,
    invitations,
    language,
    language_choice,
    live,
    my_data,
    patient,
    quality,
    report,
    research,
    roster,
    signals,
    trends,
    wearer_tabs,
    words,
)
from analytics.dashboard.access import Permission, ViewLog, check_request, requires
from analytics.dashboard.provider import IdentityProvider
from analytics.dashboard.provider import register as register_provider
from analytics.dashboard.readings import Readings
from analytics.export_jobs import ExportJobs
from analytics.store.base import Store
from analytics.store.clinic import Clinic

_PAGES = (
    auth,
    language_choice,
    live,
    account,
    invitations,
    my_data,
    research,
    patient,
    alerts,
    calibration,
    clinician,
    signals,
    trends,
    association,
    compare,
    clinical,
    quality,
    report,
    assets,
)
MAX_REQUEST_BYTES = 64 * 1024
"""The largest form has a few hundred bytes."""


def create_app(
    store: Store,
    clinic: Clinic,
    *,
    secret_key: str,
    secure_cookies: bool,
    clock_ns: Callable[[], int] = time.time_ns,
    provider: IdentityProvider | None = None,
) -> Flask:
    """The app on an open store and clinic, which stay the caller's to close, after `close_app`.

    secret_key: signs sessions. secure_cookies: True when browsers reach this over TLS.
    clock_ns: UTC, nanoseconds. provider: where people may log in as well.
    """
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=secret_key,
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        PERMANENT_SESSION_LIFETIME=timedelta(microseconds=PATIENT_LIFETIME_NS // 1000),
        SESSION_COOKIE_NAME="__Host-trunkline" if secure_cookies else "trunkline",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure_cookies,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_CHECK_DEFAULT=False,  # check_request does it: not for tokens
        RATELIMIT_HEADERS_ENABLED=False,
    )
    app.extensions["clinic"] = clinic
    app.extensions["readings"] = Readings(store, clinic, clock_ns)
    app.extensions["roster"] = roster.Roster(store, clinic, clock_ns)
    app.extensions["streams"] = live.Streams()
    app.extensions["view_log"] = ViewLog(clinic)
    app.extensions["export_jobs"] = ExportJobs(store, clinic, clock_ns)
    account_of.login_manager.init_app(app)
    requires(Permission.PUBLIC)(app.view_functions["static"])
    app.before_request(check_request)
    auth.limiter.init_app(app)
    CSRFProtect(app)
    language.register(app)
    wearer_tabs.register(app)
    headers.register(app, secure=secure_cookies)
    errors.register(app)
    for module in _PAGES:
        app.register_blueprint(module.blueprint)
    register_provider(app, provider)
    api.install(app)
    app.add_url_rule("/health", "health", _health)
    app.jinja_env.globals.update(
        words=words,
        live=live,
        asset_url=assets.asset_url,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    return app


def close_app(app: Flask) -> None:
    """End open streams and stop what works in the background, which goes on with the next start."""
    streams: live.Streams = app.extensions["streams"]
    streams.end()
    jobs: ExportJobs = app.extensions["export_jobs"]
    jobs.close()


@requires(Permission.PUBLIC)
def _health() -> ResponseReturnValue:
    """For supervisors: the process answers."""
    return jsonify(ok=True)
