"""Groups of messages into store and clinic, with stores that fail."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from analytics.ingest.triage import Message
from analytics.ingest.writer import Writer
from analytics.store.base import RejectedError, StoredBatch, StoreError
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from tests.analytics.store.samples import DT_NS, T0_NS, batch
from wire.batch import Batch
from wire.codec import encode
from wire.ids import new_session
from wire.messages import AgentStatus, Birth, Mark, Status, Taken, digest

EVER = (0, 2**62)
OLD, NEW = sorted(new_session() for _ in range(2))


class Moody(EmbeddedStore):
    """Refuses what it is told to refuse."""

    down = False
    refused_seq = -1

    def write_batches(self, items: Sequence[StoredBatch]) -> None:
        if self.down:
            raise StoreError("no store", "wait")
        if any(item.batch.seq == self.refused_seq for item in items):
            raise RejectedError("too old", "nothing")
        super().write_batches(items)


def imu(item: Batch, wearer: str = "w1", sensor: str = "back") -> Message:
    return Message(f"trunkline/v1/{wearer}/{sensor}/imu", encode(item))


def numbered(*numbers: int, session: str = OLD, floor: int = 0) -> list[Message]:
    return [imu(batch(50 * i, seq=i, floor_seq=floor, session=session)) for i in numbers]


def commits(messages: Sequence[Message]) -> list[tuple[str, str, int]]:
    found = [(m.topic, json.loads(m.payload)) for m in messages]
    return [(topic, body["session"], body["seq"]) for topic, body in found]


def test_samples_are_stored_and_committed_as_far_as_they_are_complete(
    store: EmbeddedStore, clinic: Clinic
) -> None:
    writer = Writer(store, clinic)
    topic = "trunkline/v1/w1/back/committed"
    assert commits(writer.write(numbered(0, 1, 3)).commits) == [(topic, OLD, 1)]
    assert commits(writer.write(numbered(4)).commits) == [(topic, OLD, 1)]
    assert commits(writer.write(numbered(2)).commits) == [(topic, OLD, 4)]
    assert len(store.read_samples("w1", "back", *EVER)) == 250


def test_nothing_is_committed_before_the_first(store: EmbeddedStore, clinic: Clinic) -> None:
    assert Writer(store, clinic).write(numbered(1)).commits == []


def test_a_redelivery_is_committed_again_and_not_announced_again(
    store: EmbeddedStore, clinic: Clinic
) -> None:
    writer = Writer(store, clinic)
    first = writer.write(numbered(0, 1))
    spans = [(x.wearer, x.sensor, x.start_ns, x.end_ns) for x in clinic.arrivals()]
    assert spans == [("w1", "back", T0_NS, T0_NS + 100 * DT_NS)]
    clinic.clear_arrivals([x.id for x in clinic.arrivals()])
    assert writer.write(numbered(1, 0)).commits == first.commits
    assert clinic.arrivals() == []


def test_samples_far_apart_are_announced_apart(store: EmbeddedStore, clinic: Clinic) -> None:
    Writer(store, clinic).write(numbered(0, 1000))
    assert [x.start_ns for x in clinic.arrivals()] == [T0_NS, T0_NS + 50_000 * DT_NS]


def test_the_newest_session_is_published_last(store: EmbeddedStore, clinic: Clinic) -> None:
    messages = numbered(0, session=NEW) + numbered(1, session=OLD, floor=1)
    found = commits(Writer(store, clinic).write(messages).commits)
    assert [(session, seq) for _, session, seq in found] == [(OLD, 1), (NEW, 0)]


def test_the_clinic_gets_what_is_said_about_sensors_and_people(
    store: EmbeddedStore, clinic: Clinic
) -> None:
    birth = Birth(NEW, "movesense", "T12", 52.0, ["accel"])
    status = Status(NEW, 9, "streaming", battery_pct=80)
    state = AgentStatus(NEW, "ready", 9)
    pain = Mark(100, "symptom", symptom="pain", site="groin", side="left", severity=4)
    upright = Mark(200, "upright", sensor="back", end_ns=300, posture="standing")
    guided = {"sensor": "back", "session": NEW}
    step = Mark(600, "calibration_step", end_ns=700, step="walk", distance_m=9.0, **guided)
    accepted = Mark(600, "calibration_accepted", **guided)
    messages = [
        Message("trunkline/v1/w1/back/birth", birth.dump()),
        Message("trunkline/v1/w1/back/status", status.dump()),
        Message("trunkline/v1/w1/agent/state", state.dump()),
        *(
            Message("trunkline/v1/w1/mark", mark.dump())
            for mark in (
                pain,
                pain,
                upright,
                step,
                accepted,
                Mark(400, "pause"),
                Mark(500, "resume"),
            )
        ),
        Message("trunkline/v1/w1/back/birth", b""),
    ]
    writer = Writer(store, clinic)
    for _ in range(2):
        assert writer.write(messages).commits == []
    (sensor,) = clinic.sensors("w1")
    assert (sensor.sensor, sensor.birth, sensor.status) == ("back", birth, status)
    assert clinic.agent_state("w1") == state
    (entry,) = clinic.diary("w1", 0, 1000)
    assert (entry.symptom, entry.site, entry.side, entry.severity) == ("pain", "groin", "left", 4)
    assert [(h.sensor, h.start_ns, h.end_ns, h.posture) for h in clinic.holds("w1")] == [
        ("back", 200, 300, "standing")
    ]
    (made,) = clinic.calibrations("w1")
    assert (made.version, made.valid_from_ns, made.source) == (1, 600, "mark")
    assert [(s.step, s.start_ns, s.end_ns, s.distance_m) for s in made.steps] == [
        ("walk", 600, 700, 9.0)
    ]
    assert [(m.at_ns, m.kind) for m in clinic.marks("w1", 0, 1000)] == [
        (400, "pause"),
        (500, "resume"),
    ]
    assert clinic.dead_letters() == []


def test_what_cannot_be_used_is_put_aside_and_the_rest_goes_on(
    store: EmbeddedStore, clinic: Clinic
) -> None:
    bad = Message("trunkline/v1/w1/back/imu", b"\x01" * 9000)
    written = Writer(store, clinic).write([bad, *numbered(0), Message("else/where", b"x")])
    assert len(written.commits) == 1
    second, first = clinic.dead_letters()
    assert (first.wearer, first.topic, len(first.payload)) == ("w1", bad.topic, 4096)
    assert "not a CBOR map" in first.reason
    assert (second.wearer, second.topic) == (None, "else/where")


def test_births_and_marks_are_told_to_be_taken_also_when_unusable(
    store: EmbeddedStore, clinic: Clinic
) -> None:
    mark = Message("trunkline/v1/w1/mark", Mark(5, "pause").dump())
    birth = Message("trunkline/v1/w1/back/birth", Birth(NEW, "m", "T12", 52.0, ["accel"]).dump())
    spoilt = Message("trunkline/v1/w2/mark", b"{")
    stranger = Message("trunkline/v1/w9/mark", mark.payload)
    written = Writer(store, clinic).write([mark, *numbered(0), birth, spoilt, stranger])
    told = {m.topic: Taken.load(m.payload).digests for m in written.taken}
    assert told == {
        "trunkline/v1/w1/agent/taken": [digest(mark.payload), digest(birth.payload)],
        "trunkline/v1/w2/agent/taken": [digest(b"{")],
    }


def test_a_stranger_is_refused_once_on_record_without_content(
    store: EmbeddedStore, clinic: Clinic
) -> None:
    writer = Writer(store, clinic)
    for i in range(3):
        written = writer.write([imu(batch(0, seq=i), "w9")])
        assert not written.commits
        assert not written.newly_known
    (letter,) = clinic.dead_letters()
    assert (letter.wearer, letter.payload) == ("w9", b"")
    assert "trunkline wearer add w9" in letter.reason
    assert store.sensors("w9") == []
    clinic.add_wearer("w9", "UTC")
    written = writer.write([imu(batch(0, seq=0), "w9")])
    assert written.newly_known
    assert len(written.commits) == 1
    assert not writer.write([imu(batch(0, seq=0), "w9")]).newly_known


def test_strangers_are_welcome_when_told_so(store: EmbeddedStore, clinic: Clinic) -> None:
    written = Writer(store, clinic, "Europe/Vienna").write([imu(batch(0), "w9")])
    assert len(written.commits) == 1
    assert clinic.wearer("w9").time_zone == "Europe/Vienna"


def test_while_the_store_is_down_nothing_is_on_record(data_dir: Path, clinic: Clinic) -> None:
    store = Moody(data_dir / "moody.db")
    writer = Writer(store, clinic)
    store.down = True
    messages = [*numbered(0), Message("trunkline/v1/w1/mark", Mark(5, "pause").dump())]
    with pytest.raises(StoreError, match="no store"):
        writer.write(messages)
    assert clinic.marks("w1", *EVER) == []
    assert clinic.arrivals() == []
    store.down = False
    assert len(writer.write(messages).commits) == 1
    assert len(clinic.marks("w1", *EVER)) == 1
    store.close()


def test_data_that_the_store_refuses_for_good_do_not_hold_up_the_rest(
    data_dir: Path, clinic: Clinic
) -> None:
    store = Moody(data_dir / "moody.db")
    store.refused_seq = 5
    written = Writer(store, clinic).write(numbered(*range(9)))
    assert commits(written.commits)[0][2] == 8
    assert len(store.read_samples("w1", "back", *EVER)) == 400
    (letter,) = clinic.dead_letters()
    assert letter.reason.startswith("too old")
    assert letter.payload == numbered(5)[0].payload
    store.close()


def test_a_crash_between_store_and_clinic_is_made_good_by_the_redelivery(
    store: EmbeddedStore, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(store, clinic)

    def crash(_letters: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(clinic, "add_dead_letters", crash)
        with pytest.raises(KeyboardInterrupt):
            writer.write(numbered(0, 1))
    assert len(store.read_samples("w1", "back", *EVER)) == 100
    assert clinic.arrivals() == []
    assert commits(Writer(store, clinic).write(numbered(0, 1)).commits)[0][2] == 1
    assert len(clinic.arrivals()) == 1


def test_who_is_erased_meanwhile_does_not_come_back(data_dir: Path, clinic: Clinic) -> None:
    class Slow(EmbeddedStore):
        def write_batches(self, items: Sequence[StoredBatch]) -> None:
            clinic.erase("w1", by="test")
            super().erase("w1")
            super().write_batches(items)

    store = Slow(data_dir / "slow.db")
    pause = Message("trunkline/v1/w1/mark", Mark(5, "pause").dump())
    Writer(store, clinic).write([*numbered(0), imu(batch(0), "w2"), pause])
    assert store.sensors("w1") == []
    assert len(store.sensors("w2")) == 1
    assert clinic.watermarks([("w1", "back", OLD)])["w1", "back", OLD].committed == -1
    store.close()
