"""What clinicians see and write: the list, weeks, signals, limits, notes, quality, report."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient

from analytics.dashboard import heat, periods, report, roster, signals
from analytics.dashboard.roster import Row, Week, in_order
from analytics.day_reading import keep_day
from analytics.exposure.days import NS_PER_S
from analytics.exposure.slouched import Band
from analytics.exposure.summary import DayExposure
from analytics.limits import tag_of
from analytics.sample_window import SampleWindow
from analytics.store.base import Result
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import ClinicError, DiaryEntry, Role
from tests.analytics.dashboard.synthetic import (
    MINUTE_NS,
    PROVENANCE,
    TODAY,
    Site,
    fill_day,
    site_in,
)
from tests.analytics.dashboard.test_drawing import NOTHING, WORN
from tests.servers import PATIENCE_S

NO_WEEK = Week(None, 0, None, None, 0, None, None, 0)


def text(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text[-2000:]
    page = re.sub(r"<(script|svg)\b.*?</\1>", " ", answer.text, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture(scope="module")
def summed_results(tmp_path_factory: pytest.TempPathFactory, results: Path) -> Path:
    """Sums of the days gone by, as the worker keeps them; ten more days of a calmer life."""
    path = tmp_path_factory.mktemp("summed") / "samples.db"
    shutil.copy(results, path)
    store = EmbeddedStore(path)
    for back in range(9, 19):
        fill_day(store, "anna", TODAY.plus(-back), back)
    for back in range(1, 19):
        keep_day(store, "anna", TODAY.plus(-back))
    store.close()
    return path


@pytest.fixture
def summed(tmp_path: Path, people: Path, summed_results: Path) -> Iterator[Site]:
    """The clinic of `people` with the store of `summed_results`."""
    shutil.copy(summed_results, tmp_path / "samples.db")
    yield from site_in(tmp_path, people)


def pain(back: int, severity: int) -> DiaryEntry:
    at_ns = TODAY.plus(-back).start_ns + 600 * MINUTE_NS
    return DiaryEntry("anna", at_ns, "pain", "groin", "left", severity, at_ns, "dashboard")


def test_the_list_compares_whole_weeks(summed: Site) -> None:
    for back in range(1, 5):
        summed.clinic.add_diary(pain(back, 7))
        summed.clinic.add_diary(pain(back + 9, 3))
    page = text(summed.client("dr-lee"), "/wearers")
    assert "Shown: 1 of 1." in page
    assert re.search(r"anna more pain – 0 s ago 83 % 2\d h \d\d min \(6 days\)", page)
    assert re.search(r"\d+\.\d min/h [+−±]\d\.\d min/h \(11 days\) 7\.0 \(\+4\.0\)", page)


def test_the_list_is_filtered_and_put_in_order(summed: Site) -> None:
    summed.clinic.grant("dr-lee", "ben")
    client = summed.client("dr-lee")
    assert "Shown: 2 of 2." in text(client, "/wearers")
    assert "ben never seen" in text(client, "/wearers")
    assert "Shown: 1 of 2." in text(client, "/wearers?name=AN")
    assert "No wearer fits" in text(client, "/wearers?name=zoe")
    flagged = text(client, "/wearers?flagged=1")
    assert "ben" in flagged
    for order in roster.ORDERS:
        for way in ("up", "down"):
            page = text(client, f"/wearers?order={order}&way={way}")
            assert page.index("anna") > 0
            assert page.index("ben") > 0
    assert client.get("/wearers?order=password").status_code == 404
    assert client.get("/wearers?way=sideways").status_code == 404


def test_the_list_is_read_ahead(summed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    found = roster.Roster(summed.store, summed.clinic, summed.clock)
    monkeypatch.setattr(roster, "LOOK_EVERY_S", 0.01)
    stop = threading.Event()
    thread = threading.Thread(target=found.keep_fresh, args=(stop,))
    thread.start()
    for _ in range(1200):
        if len(found._kept) == len(summed.clinic.wearers()):
            break
        time.sleep(0.05)
    stop.set()
    thread.join(PATIENCE_S)
    kept = dict(found._kept)
    assert [row.week.worn_days for row in found.rows(summed.clinic.wearers())] == [6, 0]
    assert found._kept == kept


def test_what_is_not_known_comes_last_either_way() -> None:
    rows = [
        Row(name, None, battery, NO_WEEK, ())
        for name, battery in (("a", None), ("b", 5), ("c", 90))
    ]
    assert [row.wearer for row in in_order(rows, "battery", falling=False)] == ["b", "c", "a"]
    assert [row.wearer for row in in_order(rows, "battery", falling=True)] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("week", "battery_pct", "seen_h", "flags"),
    [
        (NO_WEEK, 80, 1, []),
        (NO_WEEK, 10, 49, ["silent for 2 days", "battery low"]),
        (NO_WEEK, None, None, ["never seen"]),
        (replace(NO_WEEK, slouched_min_per_h=10, change_min_per_h=4), 80, 1, ["more slouching"]),
        (replace(NO_WEEK, slouched_min_per_h=40, change_min_per_h=4), 80, 1, []),
        (replace(NO_WEEK, pain=5, pain_change=1.4), 80, 1, []),
        (replace(NO_WEEK, worn_min=100, worn_days=2), 80, 1, ["little wear"]),
        (replace(NO_WEEK, unexplained=3), 80, 1, ["data missing"]),
    ],
)
def test_flags(week: Week, battery_pct: int | None, seen_h: int | None, flags: list[str]) -> None:
    now_ns = 10**18
    seen_ns = None if seen_h is None else now_ns - seen_h * 3600 * NS_PER_S
    assert roster._flags(week, battery_pct, seen_ns, now_ns) == flags


def test_live_states_of_the_rows_in_view(filled: Site) -> None:
    client = filled.client("dr-lee")
    answer = client.get("/live?wearer=anna&wearer=ben&wearer=nobody").json
    assert answer is not None
    assert set(answer) == {"anna"}
    assert answer["anna"]["headline"] == "Sitting"


def test_eight_weeks(summed: Site) -> None:
    summed.clinic.add_diary(pain(2, 6))
    page = text(summed.client("dr-lee"), "/wearers/anna")
    assert "The last 28 days" in page
    assert re.search(r"Days worn 18 \(\+18\)", page)
    assert "Mon 8 Jun, 10:00 Pain, groin, left: 6 of 10" in page
    assert text(summed.client("dr-lee"), "/wearers/anna?heat=walking").count("Walking minutes") > 1
    assert summed.client("dr-lee").get("/wearers/anna?heat=x").status_code == 404


def day_with(**hours: float | None) -> DayExposure:
    parts = [
        replace(
            hour,
            exposure=replace(
                WORN,
                slouched_min=None if value is None else Band(value, value, value),
                worn_min=60.0,
            ),
        )
        if (value := hours.get(f"h{hour.hour.hour}", "unworn")) != "unworn"
        else hour
        for hour in NOTHING.hours
    ]
    return replace(NOTHING, hours=tuple(parts))


def test_the_map_joins_equal_hours_and_leaves_gaps() -> None:
    found = heat.heat([day_with(h8=0.0, h9=0.2, h10=20.0, h11=60.0, h12=None)], "slouched")
    shades = {(cell.hour, cell.hours): cell.shade for cell in found.cells}
    assert shades == {(0, 8): -1, (8, 2): 0, (10, 1): 2, (11, 1): 4, (12, 12): -1}
    ((_, cells),) = found.table.rows
    assert cells[8:13] == ("0", "0", "20", "60", "–")


def test_rates_count_the_worn_time_in_which_they_are_known() -> None:
    blind = replace(NOTHING, exposure=replace(WORN, slouched_min=None))
    seen = replace(NOTHING, exposure=WORN)
    lines = {
        line.key: line for line in periods.lines(([NOTHING], []), ([seen, blind, NOTHING], []))
    }
    assert lines["slouched"].first_text == "no data"
    assert lines["slouched"].second == 21.0
    assert lines["days_worn"].change_text == "+2"
    assert lines["slouched"].change_text == ""
    assert lines["walking"].second == 7.5
    assert lines["pain"].second is None


def window(
    t_s: list[float], low: list[float], high: list[float], piece_ns: int | None
) -> SampleWindow:
    values = [np.array(column, np.float32)[:, None] for column in (low, high)]
    t_ns = (np.array(t_s) * NS_PER_S).astype(np.int64)
    return SampleWindow(0, 10 * NS_PER_S, len(t_s), ("accel_x",), t_ns, *values, piece_ns)


def test_every_sample_is_drawn_and_a_gap_stays_one() -> None:
    found = window([0, 1, 2, 8, 9], [0, 1, 0, 1, 0], [0, 1, 0, 1, 0], None)
    ((panel),) = signals.panels(found)
    ((axis, path),) = panel.paths
    assert axis == "x"
    assert path == "M0.0 100.0L80.0 0.0L160.0 100.0M640.0 0.0L720.0 100.0"
    assert "Every one of the 5 samples" in signals.resolution(found)


def test_an_envelope_says_that_it_is_one() -> None:
    found = replace(window([0, 5], [-1, 0], [1, 0], 5 * NS_PER_S), samples=50_000)
    ((panel),) = signals.panels(found)
    assert panel.paths == (("x", "M0.0 100.0V0.0M400.0 50.0V49.5"),)
    assert "50,000 samples" in signals.resolution(found)
    assert "lowest and highest of 5.0 s" in signals.resolution(found)


def test_signals_page(filled: Site) -> None:
    client = filled.client("dr-lee")
    page = text(client, "/wearers/anna/signals")
    assert "Every one of the 1 samples is drawn" in page
    assert "No samples in this stretch" in text(client, "/wearers/anna/signals?start=0&span=60")
    for query in (
        "span=4",
        "span=90001",
        "start=-1",
        "start=x",
        "sensor=other",
        "start=" + "9" * 20,
    ):
        assert client.get(f"/wearers/anna/signals?{query}").status_code == 404, query
    filled.clinic.grant("dr-lee", "ben")
    assert "No sensor of this wearer" in text(client, "/wearers/ben/signals")


def test_trends_say_what_cannot_be_told(filled: Site) -> None:
    at_ns = TODAY.start_ns
    breaths = [
        Result(
            "respiration",
            at_ns + n * MINUTE_NS,
            at_ns + (n + 1) * MINUTE_NS,
            {"breaths_per_min": v, "posture": "sitting"},
        )
        for n, v in enumerate((12.0, 14.0, 19.0))
    ]
    filled.store.write_results("anna", at_ns, at_ns + 5 * MINUTE_NS, breaths, PROVENANCE)
    late_ns = TODAY.end_ns - 2
    quality = Result("quality", late_ns, late_ns + 1, {"observable": {"sway": "placement"}})
    filled.store.write_results("anna", late_ns, late_ns + 1, [quality], PROVENANCE)
    page = text(filled.client("dr-lee"), "/wearers/anna/trends")
    assert "Hip extension in walking needs a thigh sensor" in page
    assert "Arm swing needs a wrist sensor" in page
    assert "Walking speed (m/s) not enough data" in page
    assert "Sway in quiet standing (°) not observable" in page
    assert "No week has three days with a value yet." in page
    assert "Wed 10 Jun 15.0" in page


def test_a_week_is_told_against_the_usual(filled: Site) -> None:
    """Breathing is 12 a minute for weeks, then 18."""
    for back in range(35):
        day = TODAY.plus(-back)
        body = {"breaths_per_min": 12.0 if back > 2 else 18.0, "posture": "lying_left"}
        breath = Result("respiration", day.start_ns, day.start_ns + MINUTE_NS, body)
        filled.store.write_results(
            "anna", day.start_ns, day.start_ns + MINUTE_NS, [breath], PROVENANCE
        )
    page = text(filled.client("dr-lee"), "/wearers/anna/trends")
    assert "Newest week 18.0 (18.0–18.0), usual 12.0: unlike the usual." in page


def test_comparison(summed: Site) -> None:
    client = summed.client("dr-lee")
    days = "from_a=2026-05-24&to_a=2026-05-31&from_b=2026-06-01&to_b=2026-06-07"
    page = text(client, f"/wearers/anna/compare?{days}")
    assert re.search(r"24–31 May 2026 1–7 Jun 2026 Difference Days worn 8 6 −2", page)
    for wrong in ("from_a=x", "from_a=2026-06-05&to_a=2026-06-01", "from_a=1999-01-01"):
        answer = client.get(f"/wearers/anna/compare?{wrong}")
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text


def test_limits_keep_their_history(site: Site) -> None:
    client = site.client("dr-lee")
    form = {"slouch_enter_deg": "12,5", "slouch_bout_min_s": "5", "walking_limit_s": "10"}
    form["tag"] = tag_of(site.clinic.wearer("anna").settings)
    assert client.post("/wearers/anna/limits", data=form).status_code == 303
    settings = site.clinic.wearer("anna").settings
    assert (settings.slouch_enter_deg, settings.slouch_bout_min_s) == (12.5, 300.0)
    changes = [(c.user, c.name, c.old, c.new) for c in site.clinic.limit_changes("anna")]
    assert sorted(changes) == [
        ("dr-lee", "slouch_bout_min_s", 600.0, 300.0),
        ("dr-lee", "slouch_enter_deg", None, 12.5),
    ]
    page = text(client, "/wearers/anna/limits")
    assert "dr-lee A slouch is an episode from this many minutes 10.0 5.0" in page
    assert "the detector's own 12.5" in page
    client.post("/wearers/anna/limits", data=form | {"walking_limit_s": "20"})
    assert "somebody else changed these limits" in text(client, "/wearers/anna/limits")
    assert site.clinic.wearer("anna").settings == settings
    form["tag"] = tag_of(settings)
    for wrong in (
        {"slouch_bout_min_s": "x"},
        {"walking_limit_s": "0"},
        {"slouch_enter_deg": "400"},
    ):
        client.post("/wearers/anna/limits", data=form | wrong)
        assert "Not saved" in text(client, "/wearers/anna/limits")
    assert site.clinic.wearer("anna").settings == settings


def test_a_researcher_writes_nothing(site: Site) -> None:
    user = site.clinic.user("dr-lee")
    assert user is not None
    site.clinic.add_user("prof-x", user.password_hash, Role.RESEARCHER)
    site.clinic.grant("prof-x", "anna")
    client = site.client("prof-x")
    assert client.get("/wearers/anna").status_code == 200
    for path in ("limits", "notes"):
        assert client.get(f"/wearers/anna/{path}").status_code == 403
        assert client.post(f"/wearers/anna/{path}", data={"text": "x"}).status_code == 403


def test_notes_keep_every_wording(site: Site) -> None:
    client = site.client("dr-lee")
    client.post("/wearers/anna/notes", data={"text": "Walks <b>better</b>"})
    (first,) = site.clinic.notes("anna")
    client.post("/wearers/anna/notes", data={"text": "Walks well", "replaces": first.id})
    page = client.get("/wearers/anna/notes").text
    assert page.index("Walks well") < page.index("Walks &lt;b&gt;better&lt;/b&gt;")
    assert page.count('<article class="card"') == 1
    with pytest.raises(ClinicError, match="changed by somebody else"):
        site.clinic.add_note("anna", "dr-kim", "late", first.id)
    with pytest.raises(ClinicError, match="no such note"):
        site.clinic.add_note("ben", "dr-kim", "not mine", first.id)
    for wrong in ("", "   ", "x" * 4001):
        client.post("/wearers/anna/notes", data={"text": wrong})
        assert "Not saved" in text(client, "/wearers/anna/notes")
    assert len(site.clinic.notes("anna")) == 2


def test_quality(filled: Site) -> None:
    sensor = {
        "sensor": "back",
        "expected": 1000,
        "stored": 990,
        "backfilled": 0,
        "duplicates": 0,
        "missing": {"disconnected": 8, "unexplained": 2},
        "no_agent_s": 0.0,
        "holes": [],
    }
    filled.clinic.set_delivery("anna", "2026-06-09", {"sensors": [sensor]})
    filled.clinic.set_delivery("anna", "2026-06-08", {"sensors": []})
    page = text(filled.client("dr-lee"), "/wearers/anna/quality")
    assert "back 990 99.00 % look here 8 out of range or off, 2 unexplained" in page
    assert re.search(r"Mon 8 Jun 2\d h \d\d min 0 min – – – nothing was sent", page)
    assert "Wed 10 Jun 15 h 00 min 9 h 00 min – – – not audited yet" in page
    assert "Slouching yes" in page


def test_the_report_says_what_it_is(summed: Site) -> None:
    page = text(summed.client("dr-lee"), "/wearers/anna/report")
    assert "Trunkline is not a medical device" in page
    assert "Associations in one person's diary; they do not tell causes" in page
    assert "Trigger exposure of anna 13 May – 9 Jun 2026" in page
    assert "caused by" not in page


@pytest.mark.chromium
def test_the_report_is_one_page_of_a4(summed: Site, chromium_bin: object) -> None:
    assert chromium_bin
    answer = summed.client("dr-lee").get("/wearers/anna/report.pdf")
    assert answer.mimetype == "application/pdf"
    assert len(re.findall(rb"/Type\s*/Page\b", answer.data)) == 1
    (box,) = re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", answer.data)
    assert [round(float(side) / 72 * 25.4) for side in box] == [210, 297]


def test_without_a_browser_there_is_no_pdf(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    report.browser.cache_clear()
    monkeypatch.setattr(shutil, "which", lambda _: None)
    client = site.client("dr-lee")
    assert client.get("/wearers/anna/report.pdf").status_code == 404
    assert "PDF" not in client.get("/wearers/anna/report").text
    report.browser.cache_clear()
