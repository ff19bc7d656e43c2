"""Exports in the background: whose, how far, the file, going on after a break, and their end."""

from __future__ import annotations

import hashlib
import io
import json
import re
import time
import zipfile

import pyarrow.parquet as pq
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from analytics.dashboard.api import PREFIX
from analytics.export_jobs import KEPT_NS, ExportJobs
from analytics.store.records import DiaryEntry
from tests.analytics.dashboard.synthetic import PASSWORD, TODAY, Site

WANTED = {"wearers": ["anna"], "from": "2026-06-09", "to": "2026-06-09", "parts": ["results"]}
WAIT_S = 60.0


def done(site: Site, job: str) -> dict:
    """The export as soon as it is ready or failed."""
    until_s = time.monotonic() + WAIT_S
    while True:
        found = site.clinic.export(job)
        assert found is not None
        if found.state in {"ready", "failed"}:
            return {"state": found.state, "detail": found.detail, "digest": found.digest}
        assert time.monotonic() < until_s
        time.sleep(0.05)


def ask(client: FlaskClient, **more: object) -> str:
    answer = client.post(f"{PREFIX}/exports", json=WANTED | more)
    assert answer.status_code == 202, answer.json
    return str(answer.json["id"])


def fetched(client: FlaskClient, path: str, **headers: str) -> TestResponse:
    """The answer with its body read and its file closed."""
    answer = client.get(path, headers=headers, buffered=True)
    assert answer.data is not None
    answer.close()
    return answer


def test_an_export_from_asking_to_the_file(filled: Site) -> None:
    client = filled.client("lea")
    size = client.post(f"{PREFIX}/exports/estimate", json=WANTED).json
    assert size["days"] == 1
    assert size["samples"] == 0
    assert size["size_bytes"] == 86_400 * 24
    job = ask(client)
    assert done(filled, job)["state"] == "ready"
    path = f"{PREFIX}/exports/{job}"
    found = client.get(path).json
    assert (found["share"], found["asked"]["wearers"]) == (1.0, ["anna"])
    whole = fetched(client, f"{path}/file")
    assert whole.status_code == 200
    assert hashlib.sha256(whole.data).hexdigest() == found["sha256"]
    assert len(whole.data) == found["size_bytes"]
    assert whole.headers["Cache-Control"] == "no-store"
    archive = zipfile.ZipFile(io.BytesIO(whole.data))
    assert archive.testzip() is None
    with archive.open("results/anna/movements.parquet") as file:
        assert pq.read_table(io.BytesIO(file.read())).num_rows > 20
    provenance = json.loads(archive.read("results/provenance.json"))
    assert provenance["subjects"][0]["computed_by"]
    assert oct(filled.clinic.folder.joinpath("exports").stat().st_mode)[-3:] == "700"
    actions = [entry.action for entry in filled.clinic.audit_entries("anna")]
    assert {"export", "download"} <= set(actions)


def test_a_download_goes_on_where_it_broke_off(filled: Site) -> None:
    client = filled.client("lea")
    job = ask(client)
    done(filled, job)
    path = f"{PREFIX}/exports/{job}/file"
    whole = fetched(client, path)
    etag = whole.headers["ETag"]
    rest = fetched(client, path, **{"Range": "bytes=1000-", "If-Range": etag})
    assert rest.status_code == 206
    assert rest.headers["Content-Range"] == f"bytes 1000-{len(whole.data) - 1}/{len(whole.data)}"
    assert whole.data[:1000] + rest.data == whole.data
    other = fetched(client, path, **{"Range": "bytes=1000-", "If-Range": '"another file"'})
    assert (other.status_code, other.data) == (200, whole.data)
    assert fetched(client, path, **{"If-None-Match": etag}).status_code == 304
    downloads = [e for e in filled.clinic.audit_entries("anna") if e.action == "download"]
    assert len(downloads) == 2, "a part that goes on is no new download"


def test_exports_are_ones_own(filled: Site) -> None:
    client = filled.client("lea")
    job = ask(client)
    done(filled, job)
    for user in ("dr-lee", "anna-login", "root"):
        other = filled.client(user)
        assert other.get(f"{PREFIX}/exports").json == []
        for path in (f"{PREFIX}/exports/{job}", f"{PREFIX}/exports/{job}/file"):
            assert other.get(path).status_code == 403
        assert other.delete(f"{PREFIX}/exports/{job}").status_code == 403
    filled.clinic.revoke("lea", "anna")
    assert client.get(f"{PREFIX}/exports/{job}/file").status_code == 403


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"wearers": ["ben"]}, 403),
        ({"wearers": ["anna", "ben"]}, 403),
        ({"wearers": []}, 422),
        ({"format": "stone"}, 400),
        ({"format": "edf"}, 400),
        ({"parts": []}, 400),
        ({"from": "2026-06-10"}, 422),
        ({"from": "1901-06-10"}, 422),
        ({"options": {"no": "x"}}, 400),
    ],
)
def test_what_cannot_be_exported(filled: Site, more: dict, status: int) -> None:
    client = filled.client("lea")
    for path in ("exports", "exports/estimate"):
        answer = client.post(f"{PREFIX}/{path}", json=WANTED | more)
        assert answer.status_code == status, answer.json
        assert list(answer.json) == ["error"]
    assert filled.clinic.exports() == []


def test_there_is_a_bound(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ExportJobs, "_start", lambda _: None)
    client = site.client("lea")
    for _ in range(3):
        job = ask(client)
    assert client.get(f"{PREFIX}/exports/{job}/file").status_code == 409
    assert client.post(f"{PREFIX}/exports", json=WANTED).status_code == 400
    client.delete(f"{PREFIX}/exports/{job}")
    ask(client)


def test_an_export_goes_on_with_the_next_start(
    filled: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ExportJobs, "_start", lambda _: None)
        job = ask(filled.client("lea"))
        filled.clinic.set_export(job, "running", share=0.5)
    jobs = ExportJobs(filled.store, filled.clinic, filled.clock)
    assert done(filled, job)["state"] == "ready"
    jobs.close()


def test_erasing_reaches_files_and_what_is_under_way(filled: Site) -> None:
    job = ask(filled.client("lea"))
    done(filled, job)
    folder = filled.clinic.folder / "exports"
    assert [path.name for path in folder.iterdir()] == [f"{job}.zip"]
    ask(filled.client("lea"))
    filled.clinic.erase("anna", by="root")
    assert filled.clinic.exports() == []
    until_s = time.monotonic() + WAIT_S
    while list(folder.iterdir()):
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_files_have_their_time(filled: Site) -> None:
    job = ask(filled.client("lea"))
    done(filled, job)
    filled.clock.now_ns += KEPT_NS
    client = filled.client("lea")
    assert client.get(f"{PREFIX}/exports/{job}/file").status_code == 409
    later = ask(client)
    done(filled, later)
    assert filled.clinic.export(job) is None
    assert not (filled.clinic.folder / "exports" / f"{job}.zip").exists()


def test_a_researcher_on_the_page(filled: Site) -> None:
    client = filled.client("lea")
    assert client.get("/").location == "/research"
    form = {"wearer": "anna", "first": "2026-06-08", "last": "2026-06-09", "format": "csv"}
    form |= {"part": "results", "renamed": "on", "shift_dates": "on"}
    about = client.post("/research/estimate", data=form).text
    assert "2 days with data" in about
    assert "<code>0, synthetic</code>" in about
    assert client.post("/research/cohorts", data=form | {"cohort": "Knees"}).status_code == 303
    page = client.get("/research").text
    (cohort,) = filled.clinic.cohorts("lea")
    assert (cohort.name, cohort.wearers) == ("Knees", ("anna",))
    assert "Knees (1)" in page
    by_cohort = {**form, "in_cohort": str(cohort.id)}
    del by_cohort["wearer"]
    assert client.post("/research/exports", data=by_cohort).status_code == 303
    (job,) = filled.clinic.exports("lea")
    assert done(filled, job.id)["state"] == "ready"
    assert "Download" in client.get("/research").text
    data = fetched(client, f"{PREFIX}/exports/{job.id}/file").data
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert not any("anna" in name for name in names)
    for wrong in ({"first": ""}, {"part": []}, {"format": "x"}):
        assert client.post("/research/exports", data=form | wrong).status_code == 400
    assert client.post("/research/exports", data=form | {"wearer": "ben"}).status_code == 403
    assert client.post(f"/research/cohorts/{cohort.id}/delete").status_code == 303
    assert client.post(f"/research/exports/{job.id}/delete").location == "/research"
    assert filled.clinic.exports() == []
    assert "trunk_flexion_deg" in client.get("/research/dictionary").text


def test_a_patient_takes_everything_along(filled: Site) -> None:
    now_ns = filled.clock.now_ns
    filled.clinic.add_diary(
        DiaryEntry("anna", now_ns, "pain", "groin", None, 4, now_ns, "cli", note="after the stairs")
    )
    client = filled.client("anna-login")
    assert "Make my file" in client.get("/me/data").text
    assert client.post("/me/data/export", data={"raw": "on"}).status_code == 303
    (job,) = filled.clinic.exports("anna-login")
    assert done(filled, job.id)["state"] == "ready"
    data = fetched(client, f"{PREFIX}/exports/{job.id}/file").data
    archive = zipfile.ZipFile(io.BytesIO(data))
    symptoms = archive.read("results/anna/symptoms.csv").decode()
    assert "pain,groin" in symptoms
    records = json.loads(archive.read("records.json"))
    assert records["diary"][0]["note"] == "after the stairs"
    assert records["who_saw_what"]
    assert any(name.startswith("raw/anna/raw_back/") for name in archive.namelist())


def test_a_patient_sees_who_saw(site: Site) -> None:
    for n in range(60):
        site.clinic.audit("dr-lee", "view", "anna", f"week {n}")
    client = site.client("anna-login")
    first = client.get("/me/data/seen").text
    assert "looked at: week 59" in first
    assert "week 3<" not in first
    assert "Page 1 of 2" in first
    assert "week 3<" in client.get("/me/data/seen?page=2").text
    assert client.get("/me/data/seen?page=-1").status_code == 200


def test_a_wish_to_be_erased(site: Site) -> None:
    client = site.client("anna-login")
    assert "cannot be brought back" in client.get("/me/data/erase").text
    assert client.post("/me/data/erase", data={"password": "x"}).status_code == 403
    assert site.clinic.erase_requests() == []
    assert client.post("/me/data/erase", data={"password": PASSWORD}).status_code == 303
    assert "You asked on" in client.get("/me/data").text
    people = site.client("root").get("/people").text
    assert re.search(r"<code>trunkline erase anna</code>", people)
    assert "trunkline erase" not in site.client("dr-lee").get("/people").text
    assert client.post("/me/data/erase/withdraw").status_code == 303
    assert site.clinic.erase_requests() == []
    actions = {entry.action for entry in site.clinic.audit_entries("anna")}
    assert {"erase requested", "erase request withdrawn"} <= actions


def test_today_has_an_end(filled: Site) -> None:
    """A range that ends in the future is one like any other."""
    assert TODAY.date.isoformat() == "2026-06-10"
    job = ask(filled.client("lea"), **{"from": "2026-06-10", "to": "2026-06-20"})
    assert done(filled, job)["state"] == "ready"
