"""The account of a day: every sample that was to be had is stored or missing for a reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.audit.account import Reason, account
from analytics.audit.evidence import SensorEvidence, SessionEvidence
from analytics.store.base import BatchRecord
from analytics.store.records import Watermark
from wire.batch import Flag

SECOND_NS = 1_000_000_000
T0_NS = 1_750_000_000 * SECOND_NS
A, B = "01A", "01B"


def record(at_s: float, seq: int, session: str = A, **changes: Any) -> BatchRecord:
    """A second of 50 Hz that begins at_s after T0."""
    fields = {
        "t0_ns": T0_NS + round(at_s * SECOND_NS),
        "dt_ns": 20_000_000,
        "n": 50,
        "session": session,
        "seq": seq,
        "lost": 0,
        "flags": 0,
        "rx_ns": 0,
        "clock_err_ns": 0,
    }
    return BatchRecord(**fields | changes)  # type: ignore[arg-type]


def evidence(
    batches: Sequence[BatchRecord],
    sessions: dict[str, SessionEvidence] | None = None,
    **changes: Any,
) -> SensorEvidence:
    fields: dict[str, Any] = {
        "sensor": "trunk",
        "start_ns": T0_NS,
        "end_ns": T0_NS + 3600 * SECOND_NS,
        "batches": batches,
        "earlier": [],
        "after": None,
        "stored_samples": sum(batch.n for batch in batches),
        "sessions": {A: committed(*(b.seq for b in batches))} | (sessions or {}),
    }
    return SensorEvidence(**fields | changes)


def committed(*seqs: int, **more: Any) -> SessionEvidence:
    return SessionEvidence(Watermark(max(seqs, default=-1)), **more)


def missing(evidence: SensorEvidence) -> dict[Reason, int]:
    return {reason: count for reason, count in account(evidence).missing.items() if count}


def test_a_day_without_loss() -> None:
    found = account(evidence([record(i, i) for i in range(10)]))
    assert (found.stored, found.expected, found.duplicates, found.is_sound) == (500, 500, 0, True)
    assert not found.holes


def test_a_day_without_anything() -> None:
    found = account(evidence([]))
    assert (found.stored, found.expected, found.is_sound) == (0, 0, True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lost": 250, "flags": Flag.GAP_BEFORE}, Reason.CONNECTED),
        ({"lost": 250, "flags": Flag.GAP_BEFORE | Flag.NEW_LINK}, Reason.DISCONNECTED),
        ({"flags": Flag.CLOCK_RESET | Flag.NEW_LINK}, Reason.DISCONNECTED),
        ({"flags": Flag.CLOCK_RESET}, Reason.CONNECTED),
        ({}, Reason.UNEXPLAINED),
    ],
)
def test_five_seconds_between_numbers_that_follow(changes: dict[str, int], reason: Reason) -> None:
    day = evidence([record(0, 0), record(6, 1, **changes)])
    assert missing(day) == {reason: 250}
    assert account(day).is_sound == (reason is not Reason.UNEXPLAINED)
    (hole,) = account(day).holes
    assert (hole.start_ns, hole.end_ns) == (T0_NS + SECOND_NS, T0_NS + 6 * SECOND_NS)


def test_one_lost_sample_counts_and_jitter_does_not() -> None:
    flags = Flag.GAP_BEFORE
    assert missing(evidence([record(0, 0), record(1.02, 1, lost=1, flags=flags)])) == {
        Reason.CONNECTED: 1
    }
    assert missing(evidence([record(0, 0), record(1.09, 1)])) == {}


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        (committed(6, dropped=((1, 5),)), Reason.DROPPED),
        (committed(6, refused=frozenset(range(1, 6))), Reason.REFUSED),
        (SessionEvidence(Watermark(0, ((6, 6),))), Reason.NOT_COMMITTED),
        (committed(6), Reason.UNEXPLAINED),
    ],
)
def test_numbers_that_are_not_there(about: SessionEvidence, reason: Reason) -> None:
    assert missing(evidence([record(0, 0), record(6, 6)], {A: about})) == {reason: 250}


def test_several_reasons_share_a_hole() -> None:
    about = committed(6, dropped=((1, 2),))
    day = evidence([record(0, 0), record(6, 6)], {A: about})
    assert missing(day) == {Reason.DROPPED: 100, Reason.UNEXPLAINED: 150}
    flags, about = Flag.NEW_LINK | Flag.GAP_BEFORE, committed(3, dropped=((1, 2),))
    day = evidence([record(0, 0), record(13, 3, lost=500, flags=flags)], {A: about})
    assert missing(day) == {Reason.DROPPED: 100, Reason.DISCONNECTED: 500}


def test_the_end_of_a_session_that_is_not_here_yet() -> None:
    waiting = SessionEvidence(Watermark(1), made=5)
    assert missing(evidence([record(0, 0), record(1, 1)], {A: waiting})) == {
        Reason.NOT_COMMITTED: 150
    }
    gone = SessionEvidence(Watermark(4), made=5)
    assert missing(evidence([record(0, 0), record(1, 1)], {A: gone})) == {Reason.UNEXPLAINED: 150}
    goes_on = evidence([record(0, 0), record(1, 1)], {A: gone}, after=record(7200, 5))
    assert missing(goes_on) == {}


def test_a_session_of_which_nothing_came_counts_on_the_day_of_its_last_word() -> None:
    about = {B: SessionEvidence(made=4, samples=200, told_ns=T0_NS + SECOND_NS)}
    assert missing(evidence([], about)) == {Reason.NOT_COMMITTED: 200}
    assert missing(evidence([], about, start_ns=T0_NS + 2 * SECOND_NS)) == {}


def test_time_without_an_agent_is_not_missing() -> None:
    found = account(evidence([record(0, 0), record(601, 0, B)]))
    assert found.expected == 100
    assert found.no_agent_s == 600.0
    dropped = {B: committed(3, dropped=((0, 2),))}
    found = account(evidence([record(0, 0), record(601, 3, B)], dropped))
    assert found.missing[Reason.DROPPED] == 150
    assert found.no_agent_s == 597.0


def test_what_the_next_agent_says_is_lost_since_the_last_is_missing() -> None:
    found = account(evidence([record(0, 0), record(11, 0, B, lost=480, flags=Flag.GAP_BEFORE)]))
    assert found.missing[Reason.RESTARTED] == 480
    assert found.no_agent_s == pytest.approx(0.4)
    assert found.is_sound


def live(at_s: float, seq: int, session: str) -> BatchRecord:
    return record(at_s, seq, session, rx_ns=T0_NS + round((at_s + 1.1) * SECOND_NS))


def test_a_clock_that_was_set_back_shows_a_time_twice() -> None:
    first = [live(i, i, A) for i in range(10)]
    again = [live(i + 5.3, i, B) for i in range(10)]
    both = sorted([*first, *again], key=lambda batch: batch.t0_ns)
    sessions = {A: committed(9), B: committed(9)}
    assert account(evidence(both, sessions)).duplicates == 0
    late = [record(i + 5.3, i, B, rx_ns=T0_NS + 60 * SECOND_NS) for i in range(4)]
    sent_again = sorted([*first, *late], key=lambda batch: batch.t0_ns)
    assert account(evidence(sent_again, sessions)).duplicates > 150


def test_what_was_read_from_the_sensors_memory_fills_the_hole() -> None:
    lost = {"lost": 250, "flags": Flag.GAP_BEFORE | Flag.NEW_LINK}
    live = [record(0, 0), record(6, 1, **lost), record(7, 2), record(8, 8)]
    late = [record(i, 2 + i, flags=Flag.BACKFILL) for i in range(1, 6)]
    found = account(evidence(sorted([*live, *late], key=lambda batch: batch.t0_ns)))
    assert (found.stored, found.backfilled, found.expected) == (450, 250, 450)
    assert found.is_sound
    late = [record(i, i, flags=Flag.BACKFILL) for i in range(3, 6)]
    half = account(evidence(sorted([*live[:3], *late], key=lambda batch: batch.t0_ns)))
    assert half.missing[Reason.DISCONNECTED] == 100


def test_numbers_stored_the_day_before_are_not_missing() -> None:
    late = [record(i - 100, 2 + i, flags=Flag.BACKFILL) for i in range(3)]
    day = evidence([record(0, 0), record(1, 1)], {A: SessionEvidence(Watermark(4), made=5)})
    assert missing(day) == {Reason.UNEXPLAINED: 150}
    assert missing(evidence(day.batches, dict(day.sessions), earlier=late)) == {}


def test_the_same_number_twice_and_the_same_time_twice() -> None:
    twice = account(evidence([record(0, 0), record(0.3, 0), record(1, 1)]))
    assert twice.duplicates == 50
    assert not twice.is_sound
    over = account(evidence([record(0, 0), record(0.5, 1), record(1.5, 2)]))
    assert over.duplicates == 25
    beside = account(evidence([record(0, 0), record(0.97, 1)]))
    assert beside.duplicates == 0


def test_samples_without_a_record_and_records_without_samples() -> None:
    batches = [record(0, 0), record(1, 1)]
    assert account(evidence(batches, stored_samples=103)).duplicates == 3
    assert missing(evidence(batches, stored_samples=90)) == {Reason.UNEXPLAINED: 10}


def test_the_finding_is_a_json_object() -> None:
    body = account(evidence([record(0, 0), record(6, 1, lost=250, flags=Flag.GAP_BEFORE)])).json()
    assert body["expected"] == body["stored"] + sum(body["missing"].values()) == 350
    assert body["holes"] == [
        {
            "start_ns": T0_NS + SECOND_NS,
            "end_ns": T0_NS + 6 * SECOND_NS,
            "samples": 250,
            "reason": "connected",
        }
    ]


@given(st.lists(st.integers(0, 2), min_size=2, max_size=60), st.randoms())
def test_whatever_is_taken_away_is_told_in_full(fates: list[int], random: Any) -> None:
    """0: stored, 1: given up on record, 2: vanished without a trace."""
    fates[0] = fates[-1] = 0
    batches = [record(i, i) for i, fate in enumerate(fates) if fate == 0]
    dropped = tuple((i, i) for i, fate in enumerate(fates) if fate == 1)
    day = evidence(batches, {A: committed(len(fates) - 1, dropped=dropped)})
    found = account(day)
    assert found.expected == 50 * len(fates)
    assert found.missing[Reason.DROPPED] == 50 * fates.count(1)
    assert found.missing[Reason.UNEXPLAINED] == 50 * fates.count(2)
    assert found.is_sound == (2 not in fates)
