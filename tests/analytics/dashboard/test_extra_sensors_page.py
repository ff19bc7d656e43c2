"""What the clinician sees of a wearer with sensors at thighs, wrists and pelvis."""

from __future__ import annotations

from analytics.extra_sensors import KIND, place_of
from analytics.store.base import Result
from tests.analytics.dashboard.synthetic import PROVENANCE, TODAY, Site
from tests.analytics.dashboard.test_clinician_pages import text
from tests.analytics.extra_walker import DAY, Bench, walked


def test_from_samples_to_page_and_interface(site: Site) -> None:
    walk, bench = walked(), Bench(site.store, site.clinic, wearer="anna")
    bench.know(walk)
    bench.arrive([batch for sensor in walk.batches for batch in walk.batches[sensor]])
    bench.settle()
    site.clock.now_ns = DAY.start_ns + 20 * 3600 * 10**9
    client = site.client("dr-lee")
    page = text(client, "/wearers/anna/trends")
    (result,) = bench.told()
    values = {sign["kind"]: sign["value"] for sign in result.body["signs"]}
    extension = values["hip_peak_extension_deg_left"]
    assert abs(extension - walk.truth["thigh_left"]["peak_extension_deg"]) <= 3.0
    for title, kind, digits in (
        ("Hip extension in walking, left (°)", "hip_peak_extension_deg_left", 1),
        ("Hip extension in walking, left less right (°)", "hip_peak_extension_deg_difference", 1),
        ("Arm swing, left (°)", "arm_swing_deg_left", 1),
    ):
        assert title in page
        assert f"Mon 2 Mar {abs(values[kind]):.{digits}f}" in page.replace("−", "").replace("-", "")
    assert "Arm swing (Right) the clock of the sensor does not go with the trunk" in page
    assert "Trunk on pelvis in walking it is not known which way is forward" in page
    assert "needs a thigh sensor" not in page
    span = "from=2026-03-02T00:00:00Z&to=2026-03-03T00:00:00Z"
    answer = client.get(f"/api/v1/wearers/anna/results/extra_sensors?{span}")
    assert answer.status_code == 200, answer.text
    (item,) = answer.json if isinstance(answer.json, list) else answer.json["items"]
    assert item["body"] == result.body


def test_a_week_of_less_hip_extension_is_worse(filled: Site) -> None:
    """Nine degrees for weeks, then six."""
    for back in range(35):
        day = TODAY.plus(-back)
        value = 9.0 if back > 2 else 6.0
        sign = {"kind": "hip_peak_extension_deg_left", "value": value, "strides": 300}
        body = {"signs": [sign], "observable": {"thigh_left": True, "thigh_right": "walking"}}
        start_ns, end_ns = place_of(day)
        result = Result(KIND, start_ns, day.end_ns, body)
        filled.store.write_results("anna", start_ns, end_ns, [result], PROVENANCE)
    page = text(filled.client("dr-lee"), "/wearers/anna/trends")
    assert "Newest week 6.0 (6.0–6.0), usual 9.0: worse than usual." in page
    assert "Hip extension in walking (Right) no steady walk with this sensor yet" in page
    assert "Arm swing needs a wrist sensor" in page
