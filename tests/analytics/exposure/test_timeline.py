"""Minutes of the timeline become arrays; nothing is invented where nothing is known."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analytics.exposure.timeline import (
    CODE,
    NO_DATA,
    NS_PER_S,
    longest_run_s,
    runs,
    runs_of,
    timeline,
)
from analytics.store.base import Result

T0_NS = 1_790_000_040 // 60 * 60 * NS_PER_S
MINUTE_NS = 60 * NS_PER_S


def minute(number: int, **columns: list[object]) -> Result:
    start_ns = T0_NS + number * MINUTE_NS
    body = {
        "posture": ["sitting"] * 60,
        "slouched": [False] * 60,
        "worn": [True] * 60,
    } | columns
    return Result("timeline_runs", start_ns, start_ns + MINUTE_NS, runs_of(body))


def test_runs_are_short() -> None:
    body = minute(0, slouched=[True] * 10 + [None] * 20 + [True] * 30).body
    assert body == {
        "runs": [
            ["sitting", True, True, 10],
            ["sitting", None, True, 20],
            ["sitting", True, True, 30],
        ]
    }


def test_a_missing_minute_is_no_data() -> None:
    line = timeline([minute(0), minute(2)], T0_NS, T0_NS + 3 * MINUTE_NS)
    assert line.posture.tolist() == [CODE["sitting"]] * 60 + [NO_DATA] * 60 + [CODE["sitting"]] * 60
    assert (line.worn[60:120] == NO_DATA).all()
    assert (line.slouched[60:120] == NO_DATA).all()


def test_null_entries_are_no_data_and_later_words_are_unknown() -> None:
    line = timeline(
        [
            minute(
                0,
                posture=[None, "kneeling", "walking"] + ["sitting"] * 57,
                slouched=[True, None, False] + [None] * 57,
            )
        ],
        T0_NS,
        T0_NS + MINUTE_NS,
    )
    assert line.posture[:3].tolist() == [NO_DATA, CODE["unknown"], CODE["walking"]]
    assert line.slouched[:4].tolist() == [1, NO_DATA, 0, NO_DATA]


def test_two_results_of_one_minute_complete_each_other() -> None:
    nothing: list[object] = [None] * 30
    before = {"posture": ["sitting"] * 20 + [None] * 40, "slouched": nothing * 2}
    after = {"posture": nothing + ["walking"] * 30, "slouched": nothing * 2}
    line = timeline(
        [
            minute(0, **before, worn=[True] * 20 + [None] * 40),
            minute(0, **after, worn=nothing + [True] * 30),
        ],
        T0_NS,
        T0_NS + MINUTE_NS,
    )
    assert line.posture[[0, 19, 20, 29, 30, 59]].tolist() == [
        CODE["sitting"],
        CODE["sitting"],
        NO_DATA,
        NO_DATA,
        CODE["walking"],
        CODE["walking"],
    ]


def test_an_interval_inside_a_minute() -> None:
    postures = ["sitting"] * 30 + ["standing"] * 30
    line = timeline([minute(0, posture=postures)], T0_NS + 20 * NS_PER_S, T0_NS + 40 * NS_PER_S)
    assert line.start_s == T0_NS // NS_PER_S + 20
    assert line.posture.tolist() == [CODE["sitting"]] * 10 + [CODE["standing"]] * 10


def test_no_minutes_at_all() -> None:
    line = timeline([], T0_NS, T0_NS + MINUTE_NS)
    assert len(line) == 60
    assert (line.posture == NO_DATA).all()


def test_longest_run_bridges_short_pauses_only() -> None:
    state = np.array([1] * 10 + [0] * 5 + [1] * 10 + [0] * 20 + [1] * 3, bool)
    assert longest_run_s(state, 10) == 25
    assert longest_run_s(state, 5) == 10
    assert longest_run_s(np.zeros(5, bool), 10) == 0


@given(hnp.arrays(np.int8, st.integers(0, 200), elements=st.integers(-1, 3)))
def test_runs_rebuild_the_array(code: np.ndarray) -> None:
    rebuilt = np.empty_like(code)
    end = 0
    for first, after, value in runs(code):
        assert first == end < after
        rebuilt[first:after] = value
        end = after
    assert end == len(code)
    assert np.array_equal(rebuilt, code)
