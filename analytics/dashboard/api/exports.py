"""Exports: which formats there are, how large one would be, how far it is, and its file."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from flask import Response, abort, jsonify, send_file
from flask.typing import ResponseReturnValue
from flask_login import current_user
from marshmallow.validate import Length

from analytics.accounts.tokens import EXPORT, READ
from analytics.dashboard.access import Permission, clinic, export_jobs, readings, requires
from analytics.dashboard.api.blueprint import blueprint, by_token, page_of, seen
from analytics.dashboard.api.fields import Dates, Instant, Span
from analytics.export import dictionary as data_dictionary
from analytics.export.formats import FORMATS
from analytics.export_request import MAX_WEARERS, ExportRequest
from analytics.store.records import ExportJob


class ExportSchema(ma.Schema):
    """An export and how far it is."""

    id = ma.fields.String()
    state = ma.fields.String(metadata={"description": "waiting, running, ready or failed"})
    share = ma.fields.Float(metadata={"description": "how much is done, 0..1"})
    size_bytes = ma.fields.Integer(allow_none=True)
    sha256 = ma.fields.String(attribute="digest", allow_none=True)
    detail = ma.fields.String(metadata={"description": "why it failed"})
    asked = ma.fields.Dict()
    created_utc = Instant(attribute="created_ns")
    ends_utc = Instant(
        attribute="ends_ns", allow_none=True, metadata={"description": "then the file goes"}
    )


class WantedSchema(Dates):
    """What is to be exported: local days from..to, both included."""

    wearers = ma.fields.List(
        ma.fields.String(), required=True, validate=Length(min=1, max=MAX_WEARERS)
    )
    format = ma.fields.String(load_default="parquet")
    parts = ma.fields.List(
        ma.fields.String(), load_default=None, metadata={"description": "default: all it holds"}
    )
    options = ma.fields.Dict(keys=ma.fields.String(), values=ma.fields.String(), load_default=dict)
    renamed = ma.fields.Boolean(
        load_default=False, metadata={"description": "names made with this server's key"}
    )
    shift_dates = ma.fields.Boolean(
        load_default=False, metadata={"description": "dates moved by whole weeks"}
    )


class EstimateSchema(ma.Schema):
    """About how much it is, before packing."""

    days = ma.fields.Integer()
    samples = ma.fields.Integer()
    size_bytes = ma.fields.Integer()


class FormatSchema(ma.Schema):
    """A format of exports."""

    name = ma.fields.String()
    title = ma.fields.String()
    holds = ma.fields.List(ma.fields.String())
    files = ma.fields.String()
    read_with = ma.fields.String()


class ProvenanceSchema(ma.Schema):
    """A computation that made results."""

    algorithm_version = ma.fields.String()
    params_hash = ma.fields.String()


@blueprint.get("/formats")
@requires(Permission.LOGGED_IN, scope=READ)
@blueprint.response(200, FormatSchema(many=True))
def formats() -> Any:
    """Formats of exports."""
    return list(FORMATS)


@blueprint.get("/dictionary")
@requires(Permission.LOGGED_IN, scope=READ)
@blueprint.response(200, {"type": "object"})
def dictionary() -> ResponseReturnValue:
    """Every table and column of an export: type, unit, meaning."""
    return jsonify(data_dictionary.as_json(data_dictionary.TABLES))


@blueprint.get("/wearers/<wearer>/provenance")
@requires(Permission.WEARER, scope=READ)
@blueprint.arguments(Span, location="query")
@blueprint.response(200, ProvenanceSchema(many=True))
def provenance(chosen: dict[str, int], wearer: str) -> Any:
    """Which computations made the results of a range."""
    seen(wearer, "provenance")
    return readings().provenances(wearer, **chosen)


@blueprint.post("/exports/estimate")
@requires(Permission.LOGGED_IN, scope=EXPORT)
@blueprint.arguments(WantedSchema)
@blueprint.response(200, EstimateSchema)
def estimate(said: dict[str, Any]) -> Any:
    """About how much an export would hold."""
    wanted = _request(said)
    for wearer in wanted.wearers:
        seen(wearer, "size of an export")
    return readings().estimate(wanted)


@blueprint.post("/exports")
@requires(Permission.LOGGED_IN, scope=EXPORT)
@blueprint.arguments(WantedSchema)
@blueprint.response(202, ExportSchema)
def ask_export(said: dict[str, Any]) -> Any:
    """Ask for an export; it is made in the background."""
    return export_jobs().ask(current_user.name, _request(said), via=by_token())


@blueprint.get("/exports")
@requires(Permission.LOGGED_IN, scope=EXPORT, background=True)
@blueprint.response(200, ExportSchema(many=True))
@blueprint.paginate()
def exports(pagination_parameters: Any) -> Any:
    """Own exports, newest first."""
    return page_of(clinic().exports(current_user.name), pagination_parameters)


@blueprint.get("/exports/<job>")
@requires(Permission.EXPORT, scope=EXPORT, background=True)
@blueprint.response(200, ExportSchema)
def export(job: str) -> Any:
    """How far an export is."""
    return _found(job)


@blueprint.delete("/exports/<job>")
@requires(Permission.EXPORT, scope=EXPORT)
@blueprint.response(200, ExportSchema)
def remove_export(job: str) -> Any:
    """Stop an export, or delete its file."""
    found = _found(job)
    export_jobs().remove(job)
    return found


@blueprint.get("/exports/<job>/file")
@requires(Permission.EXPORT, scope=EXPORT)
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type="application/zip")
@blueprint.alt_response(206, description="the part that the header Range asks for")
@blueprint.alt_response(409, description="not ready yet")
def export_file(job: str) -> Response:
    """The file. A download that broke off goes on with the headers Range and If-Range."""
    found = _found(job)
    path = export_jobs().file(found)
    if path is None:
        abort(409)
    answer = send_file(
        path,
        mimetype="application/zip",
        as_attachment=True,
        download_name=f"trunkline-{found.asked['first']}-{found.asked['last']}.zip",
        etag=found.digest or False,
        conditional=True,
    )
    part = answer.content_range
    if answer.status_code == 200 or (part and not part.start):
        for wearer in clinic().export_wearers(job):
            clinic().audit(current_user.name, "download", wearer, found.asked["format"])
    return answer


def _found(job: str) -> ExportJob:
    return clinic().export(job) or abort(404)


def _request(said: dict[str, Any]) -> ExportRequest:
    """The request of a body; 403 unless all of its wearers may be seen."""
    wearers = tuple(dict.fromkeys(said["wearers"]))
    if not set(wearers) <= set(clinic().visible_wearers(current_user.name)):
        abort(403)
    holds = {form.name: form.holds for form in FORMATS}
    parts = said["parts"] if said["parts"] is not None else holds.get(said["format"], ())
    found = ExportRequest(
        wearers=wearers,
        first=said["first"],
        last=said["last"],
        format=said["format"],
        parts=tuple(dict.fromkeys(parts)),
        options=said["options"],
        renamed=said["renamed"],
        shift_dates=said["shift_dates"],
    )
    found.check()
    return found
