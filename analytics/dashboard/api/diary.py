"""The symptom diary: read by who may see the wearer, written by the wearer."""

from __future__ import annotations

import dataclasses
from typing import Any

import marshmallow as ma
from flask import abort
from flask_login import current_user
from marshmallow.validate import Length, OneOf, Range

from analytics.accounts.tokens import READ
from analytics.dashboard.access import Permission, clinic, readings, requires
from analytics.dashboard.api.blueprint import blueprint, page_of, seen
from analytics.dashboard.api.fields import Instant, Span
from analytics.dashboard.diary import UNDO_NS, text_of
from analytics.diary import add, change, remove
from analytics.store.records import DiaryEntry
from wire.messages import MAX_NOTE, SIDES, SITES, SYMPTOMS


class EntrySchema(ma.Schema):
    """An entry of the diary."""

    id = ma.fields.Integer()
    at_utc = Instant(attribute="at_ns")
    symptom = ma.fields.String()
    site = ma.fields.String(allow_none=True)
    side = ma.fields.String(allow_none=True)
    severity = ma.fields.Integer(allow_none=True)
    note = ma.fields.String(allow_none=True)
    entered_utc = Instant(attribute="entered_ns")
    source = ma.fields.String()


class ChangeSchema(ma.Schema):
    """What an entry shall say; what is not given stays as it is."""

    at_ns = Instant(data_key="at_utc")
    symptom = ma.fields.String(validate=OneOf(SYMPTOMS))
    site = ma.fields.String(validate=OneOf(SITES), allow_none=True)
    side = ma.fields.String(validate=OneOf(SIDES), allow_none=True)
    severity = ma.fields.Integer(validate=Range(0, 10), allow_none=True, strict=True)
    note = ma.fields.String(validate=Length(max=MAX_NOTE), allow_none=True)


class NewEntrySchema(ChangeSchema):
    """A new entry; without at_utc it is about this moment."""

    symptom = ma.fields.String(validate=OneOf(SYMPTOMS), required=True)


class AddedSchema(EntrySchema):
    """A new entry, in words, and how long the page offers to take it back."""

    text = ma.fields.String()
    undo_s = ma.fields.Integer()


class RemovedSchema(ma.Schema):
    """Which entry is gone."""

    removed = ma.fields.Integer()


@blueprint.get("/wearers/<wearer>/diary")
@requires(Permission.WEARER, scope=READ)
@blueprint.arguments(Span, location="query")
@blueprint.response(200, EntrySchema(many=True))
@blueprint.paginate()
def diary(chosen: dict[str, int], wearer: str, pagination_parameters: Any) -> Any:
    """Entries in order of time."""
    seen(wearer, "diary")
    return page_of(clinic().diary(wearer, **chosen), pagination_parameters)


@blueprint.post("/me/diary")
@requires(Permission.PATIENT)
@blueprint.arguments(NewEntrySchema)
@blueprint.response(201, AddedSchema)
def add_diary(said: dict[str, Any]) -> Any:
    """A new entry of the patient who asks."""
    now_ns = readings().clock_ns()
    blank = DiaryEntry(current_user.wearer, now_ns, "pain", None, None, None, now_ns, "dashboard")
    entry = add(clinic(), dataclasses.replace(blank, **said), current_user.name)
    return {**dataclasses.asdict(entry), "text": text_of(entry), "undo_s": UNDO_NS // 10**9}


@blueprint.patch("/me/diary/<int:entry_id>")
@requires(Permission.PATIENT)
@blueprint.arguments(ChangeSchema)
@blueprint.response(200, EntrySchema)
def change_diary(said: dict[str, Any], entry_id: int) -> Any:
    """Change an own entry; the audit keeps what it was."""
    return change(clinic(), _own(entry_id), said, current_user.name)


@blueprint.delete("/me/diary/<int:entry_id>")
@requires(Permission.PATIENT)
@blueprint.response(200, RemovedSchema)
def undo_diary(entry_id: int) -> Any:
    """Take an own entry out of the diary; the audit keeps what it said, without the note."""
    remove(clinic(), _own(entry_id), current_user.name)
    return {"removed": entry_id}


def _own(entry_id: int) -> DiaryEntry:
    found = clinic().diary_entry(current_user.wearer, entry_id) if entry_id < 2**63 else None
    return found or abort(404)
