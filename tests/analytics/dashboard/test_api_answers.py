"""What all answers of the API have in common, and the raw samples."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.dashboard.api import PREFIX
from analytics.dashboard.api.fields import iso
from analytics.store.base import StoredBatch
from tests.analytics.dashboard.synthetic import MINUTE_NS, TODAY, Site
from tests.analytics.dashboard.test_access import rules
from wire.batch import Batch, Channel
from wire.ids import new_session

RATE_HZ = 50
START_NS = TODAY.start_ns + 600 * MINUTE_NS


def write_samples(site: Site, start_ns: int, values: np.ndarray) -> None:
    """values (n, 3) of acceleration in hundredths of m/s2 at RATE_HZ."""
    batch = Batch(
        session=new_session(),
        seq=0,
        floor_seq=0,
        t0_ns=start_ns,
        dt_ns=1_000_000_000 // RATE_HZ,
        n=len(values),
        channels={"accel": Channel(values.astype(np.int16), 0.01)},
        rx_ns=start_ns,
        clock_err_ns=0,
    )
    site.store.write_batches([StoredBatch("anna", "back", batch)])


def window(site: Site, seconds: float, **more: object) -> dict:
    query = {"from": iso(START_NS), "to": iso(START_NS + int(seconds * 1e9)), **more}
    answer = site.client("dr-lee").get(
        f"{PREFIX}/wearers/anna/sensors/back/samples", query_string=query
    )
    assert answer.status_code == 200, answer.json
    return dict(answer.json)


def test_few_samples_come_at_full_rate(site: Site) -> None:
    values = np.arange(300).reshape(100, 3)
    write_samples(site, START_NS, values)
    found = window(site, 60, points=100)
    assert (found["samples"], found["full_rate"], found["piece_s"]) == (100, True, None)
    assert found["values"]["accel_y"] == pytest.approx((values[:, 1] / 100).tolist())
    assert list(found["values"]) == ["accel_x", "accel_y", "accel_z"]
    assert found["time_s"] == pytest.approx(np.arange(100) / RATE_HZ)
    assert found["low"] is None


def test_many_samples_come_as_low_and_high_and_say_so(site: Site) -> None:
    random = np.random.default_rng(1)
    values = random.integers(-900, 900, (1000, 3))
    for second in range(20):
        if second != 7:
            write_samples(
                site, START_NS + second * 10**9, values[second * RATE_HZ : (second + 1) * RATE_HZ]
            )
    found = window(site, 20, points=20)
    assert (found["samples"], found["full_rate"], found["piece_s"]) == (950, False, 1.0)
    assert found["values"] is None
    assert found["time_s"] == [second for second in range(20) if second != 7]
    whole = values.reshape(20, RATE_HZ, 3)[[second != 7 for second in range(20)]] / 100
    for column, name in enumerate(("accel_x", "accel_y", "accel_z")):
        assert found["low"][name] == pytest.approx(whole[:, :, column].min(axis=1))
        assert found["high"][name] == pytest.approx(whole[:, :, column].max(axis=1))


def test_a_window_without_samples(site: Site) -> None:
    found = window(site, 60)
    assert (found["samples"], found["full_rate"], found["values"]) == (0, True, {})


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "from: Missing data for required field."),
        ("from=2026-06-10T00:00:00Z&to=2026-06-10T00:00:00Z", "to: must be after from"),
        ("from=2026-06-10T00:00:00Z&to=2026-06-14T00:00:00Z", "to: ask for at most 2 days at once"),
        ("from=yesterday&to=2026-06-14T00:00:00Z", "from: use ISO 8601"),
        ("from=2026-06-10T00:00:00Z&to=2026-06-11T00:00:00Z&points=1", "points: Must be greater"),
    ],
)
def test_a_question_that_cannot_be_answered(site: Site, query: str, text: str) -> None:
    answer = site.client("dr-lee").get(f"{PREFIX}/wearers/anna/sensors/back/samples?{query}")
    assert answer.status_code == 422
    assert text in answer.json["error"]


def test_the_document_tells_of_every_route(site: Site) -> None:
    document = site.client().get(f"{PREFIX}/openapi.json").json
    told = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    there = {
        (method, rule.rule.replace("<int:", "<").replace("<", "{").replace(">", "}"))
        for rule, method in rules(site.app)
        if rule.rule.startswith(PREFIX) and rule.endpoint != "openapi"
    }
    assert told == there
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                assert operation["summary"], path
                assert "default" in operation["responses"], path


def test_pages_and_etag(filled: Site) -> None:
    client = filled.client("dr-lee")
    asked = f"{PREFIX}/wearers/anna/days?from=2026-06-01&to=2026-06-10&page_size=4&page=2"
    first = client.get(asked)
    assert [day["date"] for day in first.json] == [f"2026-06-0{n}" for n in (5, 6, 7, 8)]
    assert '"total": 10' in first.headers["X-Pagination"]
    again = client.get(asked, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    filled.store.write_results(
        "anna",
        TODAY.plus(-2).start_ns,
        TODAY.end_ns,
        [],
        filled.store.provenances("anna", TODAY.start_ns, TODAY.end_ns)[0],
    )
    changed = client.get(asked, headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_hours_and_timeline_agree_with_the_day(filled: Site) -> None:
    client = filled.client("dr-lee")
    day = client.get(f"{PREFIX}/wearers/anna/days/2026-06-09").json
    hours = client.get(f"{PREFIX}/wearers/anna/hours?from=2026-06-09&to=2026-06-09").json
    assert hours == day["hours"]
    runs = client.get(f"{PREFIX}/wearers/anna/days/2026-06-09/timeline").json["runs"]
    worn_s = sum(run["seconds"] for run in runs if run["worn"])
    assert worn_s / 60 == pytest.approx(day["worn_min"])
    slouched_s = sum(run["seconds"] for run in runs if run["slouched"])
    assert day["slouched_min"]["low"] <= slouched_s / 60 <= day["slouched_min"]["high"]


def test_results_of_every_kind(filled: Site) -> None:
    client = filled.client("dr-lee")
    kinds = client.get(f"{PREFIX}/wearers/anna/results").json
    assert {"movement", "slouch_episode", "walking_bout", "quality"} <= {k["kind"] for k in kinds}
    day = f"from={iso(TODAY.start_ns)}&to={iso(TODAY.end_ns)}"
    for kind in (k["kind"] for k in kinds):
        answer = client.get(f"{PREFIX}/wearers/anna/results/{kind}?{day}&page_size=5")
        found = filled.store.read_results("anna", kind, TODAY.start_ns, TODAY.end_ns)
        assert f'"total": {len(found)},' in answer.headers["X-Pagination"]
        assert [item["body"] for item in answer.json] == [dict(r.body) for r in found[:5]]
    assert client.get(f"{PREFIX}/wearers/anna/results/a.b?{day}").status_code == 404
