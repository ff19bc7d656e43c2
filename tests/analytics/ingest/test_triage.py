"""Any bytes on any topic: understood, refused with a reason, or nothing to do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.ingest import triage
from analytics.ingest.triage import Message, Report, Unusable, read
from tests.analytics.store.samples import batch
from wire.batch import Batch
from wire.codec import encode
from wire.ids import new_session
from wire.messages import AgentStatus, Birth, Mark, Status

BIRTH = Birth(new_session(), "movesense", "T12", 52.0, ["accel", "gyro"])
STATUS = Status(BIRTH.session, 1, "streaming")
MARK = Mark(5, "symptom", symptom="pain", severity=3)
STATE = AgentStatus(new_session(), "ready", 7)


@pytest.mark.parametrize(
    ("topic", "payload", "sensor", "kind"),
    [
        ("trunkline/v1/w/back/imu", encode(batch(0)), "back", Batch),
        ("trunkline/v1/w/back/birth", BIRTH.dump(), "back", Birth),
        ("trunkline/v1/w/back/status", STATUS.dump(), "back", Status),
        ("trunkline/v1/w/agent/state", STATE.dump(), "", AgentStatus),
        ("trunkline/v1/w/mark", MARK.dump(), "", Mark),
    ],
    ids=["imu", "birth", "status", "state", "mark"],
)
def test_what_is_understood(topic: str, payload: bytes, sensor: str, kind: type) -> None:
    report = read(Message(topic, payload))
    assert isinstance(report, Report)
    assert (report.wearer, report.sensor, type(report.content)) == ("w", sensor, kind)


@pytest.mark.parametrize(
    ("topic", "payload", "wearer", "reason"),
    [
        ("trunkline/v1/w/back/imu", b"\xff", "w", "not CBOR"),
        ("trunkline/v1/w/back/birth", b"{}", "w", "Birth"),
        ("trunkline/v1/Anna Miller/back/imu", b"x", None, "wearer id"),
        ("somewhere/else", b"x", None, "not under"),
        (
            "trunkline/v1/w/mark",
            Mark(1, "upright", sensor="NO!", end_ns=2, posture="sitting").dump(),
            "w",
            "sensor id",
        ),
    ],
)
def test_what_is_refused(topic: str, payload: bytes, wearer: str | None, reason: str) -> None:
    outcome = read(Message(topic, payload))
    assert isinstance(outcome, Unusable)
    assert outcome.wearer == wearer
    assert reason in outcome.reason


def test_what_is_not_for_ingest() -> None:
    assert read(Message("trunkline/v1/w/back/birth", b"")) is None
    for rest in ("back/committed", "state", "alert"):
        assert read(Message(f"trunkline/v1/w/{rest}", b"{}")) is None


def test_a_bug_in_a_decoder_costs_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_payload: bytes) -> Batch:
        raise ZeroDivisionError

    monkeypatch.setattr(triage, "decode", broken)
    outcome = read(Message("trunkline/v1/w/back/imu", b"x"))
    assert isinstance(outcome, Unusable)
    assert "internal error" in outcome.reason


topics = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            f"trunkline/v1/w/{rest}"
            for rest in (
                "back/imu",
                "back/birth",
                "back/status",
                "agent/state",
                "mark",
                "state",
                "back/x",
            )
        ]
    ),
)
jsons = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=8), x, max_size=4),
    max_leaves=8,
)


@given(topics, st.binary(max_size=60) | jsons.map(lambda x: json.dumps(x).encode()))
def test_any_bytes_have_an_outcome(topic: str, payload: bytes) -> None:
    outcome = read(Message(topic, payload))
    assert outcome is None or isinstance(outcome, Report | Unusable)
    if isinstance(outcome, Unusable):
        assert "internal error" not in outcome.reason


@given(st.data())
def test_a_damaged_message_has_an_outcome(data: st.DataObject) -> None:
    topic, good = data.draw(
        st.sampled_from(
            [
                ("trunkline/v1/w/back/imu", encode(batch(0, 2))),
                ("trunkline/v1/w/back/birth", BIRTH.dump()),
                ("trunkline/v1/w/mark", MARK.dump()),
            ]
        )
    )
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    outcome = read(Message(topic, bytes(damaged)))
    assert isinstance(outcome, Report) or "internal error" not in outcome.reason  # type: ignore[union-attr]
