"""One group of messages into store and clinic: all of it is on disk, or none is acknowledged."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from analytics.ingest.triage import Message, Report, Unusable, read
from analytics.ingest.watermark import advance, contains
from analytics.store.base import RejectedError, Store, StoredBatch
from analytics.store.clinic import Clinic
from analytics.store.ledger import SessionKey, dead_letter
from analytics.store.records import (
    CalibrationStep,
    ClinicError,
    DeadLetter,
    DiaryEntry,
    Hold,
    TimeMark,
    Watermark,
)
from wire.batch import Batch
from wire.messages import (
    MAX_TAKEN,
    AgentStatus,
    Birth,
    Committed,
    Losses,
    Mark,
    Status,
    Taken,
    digest,
)
from wire.topics import Kind, parse, sensor_topic, wearer_topic

logger = logging.getLogger(__name__)

ARRIVAL_GAP_NS = 2_000_000_000
"""Batches that follow each other within this time are announced to the worker as one span."""
MAX_REMEMBERED = 1000
SOURCE = "mark"


@dataclass(slots=True)
class Written:
    """What to tell the broker after a group is on disk."""

    commits: list[Message] = field(default_factory=list)
    """Retained messages to publish, older sessions first: the newest is what stays."""
    taken: list[Message] = field(default_factory=list)
    """Not retained: which births and marks are in the store, or on record as unusable."""
    newly_known: bool = False
    """A wearer refused before is registered now: what the broker retains is wanted again."""


class Writer:
    """Writes groups of messages. The order makes every crash harmless: samples first, then the
    records that say they are there, then (by the caller) acknowledgement and commit."""

    def __init__(self, store: Store, clinic: Clinic, new_wearer_zone: str | None = None) -> None:
        """`new_wearer_zone`: register unknown wearers with this IANA zone; None refuses them."""
        self._store = store
        self._clinic = clinic
        self._new_wearer_zone = new_wearer_zone
        self._refused: set[str] = set()

    def write(self, messages: Iterable[Message]) -> Written:
        """Write all; raises StoreError when store or clinic cannot, and may then be repeated."""
        letters: list[DeadLetter] = []
        reports: list[Report] = []
        settled: list[tuple[str, Message]] = []
        for outcome in map(read, messages):
            if isinstance(outcome, Unusable):
                letters.append(_letter(outcome.wearer, outcome.message, outcome.reason))
                logger.warning("a message cannot be used: %s", outcome.reason)
                if outcome.wearer is not None:
                    settled.append((outcome.wearer, outcome.message))
            elif outcome is not None:
                reports.append(outcome)
        written = Written()
        reports = self._admitted(reports, letters, written)
        batches = [(x, x.content) for x in reports if isinstance(x.content, Batch)]
        for report, reason in self._store_batches(batches):
            letters.append(_letter(report.wearer, report.message, reason))
        with self._clinic.transaction():
            for report in reports:
                try:
                    self._record(report)
                except ClinicError as error:
                    letters.append(_letter(report.wearer, report.message, str(error)))
                except (ValueError, TypeError, OverflowError):
                    # a bug of ours, but one message must not stop everybody's
                    logger.exception("a message cannot be recorded")
                    reason = "internal error, see the log"
                    letters.append(_letter(report.wearer, report.message, reason))
            written.commits = self._account(batches)
            self._clinic.add_dead_letters(letters)
        small = [r for r in reports if isinstance(r.content, Birth | Mark)]
        written.taken = _taken([*settled, *((r.wearer, r.message) for r in small)])
        self._erase_again({report.wearer for report, _ in batches})
        return written

    def _admitted(
        self, reports: Sequence[Report], letters: list[DeadLetter], written: Written
    ) -> list[Report]:
        """The reports of registered wearers. Of a stranger the first is put on record, without
        its content: it may be somebody who has been erased."""
        wearers = {report.wearer for report in reports}
        known = self._clinic.known_wearers(wearers)
        if self._new_wearer_zone is not None:
            for wearer in sorted(wearers - known):
                with suppress(ClinicError):  # somebody else has just added it
                    self._clinic.add_wearer(wearer, self._new_wearer_zone)
            known = self._clinic.known_wearers(wearers)
        written.newly_known = not self._refused.isdisjoint(known)
        self._refused -= known
        for report in reports:
            if report.wearer in known or report.wearer in self._refused:
                continue
            if len(self._refused) >= MAX_REMEMBERED:
                self._refused.clear()
            self._refused.add(report.wearer)
            reason = f"unknown wearer; register it with: trunkline wearer add {report.wearer}"
            letters.append(dead_letter(report.wearer, report.message.topic, reason, b""))
            logger.warning("messages of an unknown wearer are refused; %s", reason)
        return [report for report in reports if report.wearer in known]

    def _store_batches(self, batches: Sequence[tuple[Report, Batch]]) -> list[tuple[Report, str]]:
        """Write, and find by halving what the store refuses for good."""
        if not batches:
            return []
        try:
            self._store.write_batches(
                [StoredBatch(report.wearer, report.sensor, batch) for report, batch in batches]
            )
        except RejectedError as error:
            if len(batches) == 1:
                return [(batches[0][0], str(error))]
            middle = len(batches) // 2
            return self._store_batches(batches[:middle]) + self._store_batches(batches[middle:])
        return []

    def _record(self, report: Report) -> None:
        wearer, sensor, now_ns = report.wearer, report.sensor, time.time_ns()
        match report.content:
            case Birth() as birth:
                self._clinic.record_birth(wearer, sensor, birth)
            case Status() as status:
                self._clinic.record_status(wearer, sensor, status)
            case Losses() as losses:
                self._clinic.record_losses(wearer, sensor, losses.each())
            case AgentStatus() as state:
                self._clinic.record_agent_state(wearer, state)
            case Mark(kind="symptom", symptom=str(symptom)) as mark:
                entry = DiaryEntry(
                    wearer,
                    mark.at_ns,
                    symptom,
                    mark.site,
                    mark.side,
                    mark.severity,
                    now_ns,
                    SOURCE,
                    note=mark.note,
                )
                self._clinic.add_diary(entry)
            case Mark(kind="upright", sensor=str(held), end_ns=int(end), posture=str(p)) as mark:
                self._clinic.add_hold(Hold(wearer, held, mark.at_ns, end, p, SOURCE))
            case Mark(kind="calibration_step", sensor=str(held), session=str(session)) as mark:
                self._clinic.add_calibration_step(wearer, held, session, _step(mark), source=SOURCE)
            case Mark(kind="calibration_accepted", session=str(session)) as mark:
                self._clinic.accept_calibration(wearer, session, valid_from_ns=mark.at_ns)
            case Mark() as mark:
                self._clinic.add_mark(TimeMark(wearer, mark.at_ns, mark.kind))
            case Batch():
                pass  # in the store already

    def _account(self, batches: Sequence[tuple[Report, Batch]]) -> list[Message]:
        """Move the watermarks, announce what is new to the worker, say what to publish."""
        by_session: dict[SessionKey, list[Batch]] = {}
        for report, batch in batches:
            key = (report.wearer, report.sensor, batch.session)
            by_session.setdefault(key, []).append(batch)
        before = self._clinic.watermarks(by_session)
        after: dict[SessionKey, Watermark] = {}
        spans: list[tuple[str, str, int, int]] = []
        for key, group in by_session.items():
            after[key] = advance(before[key], [(x.seq, x.floor_seq) for x in group])
            fresh = [x for x in group if not contains(before[key], x.seq)]
            spans += [(key[0], key[1], start, end) for start, end in _spans(fresh)]
        self._clinic.set_watermarks({k: v for k, v in after.items() if v != before[k]})
        self._clinic.add_arrivals(spans)
        # Also a watermark that has not moved: who sends again has not heard of it.
        return [
            Message(
                sensor_topic(wearer, sensor, Kind.COMMITTED),
                Committed(session=session, seq=mark.committed).dump(),
            )
            for (wearer, sensor, session), mark in sorted(after.items(), key=lambda x: x[0][2])
            if mark.committed >= 0
        ]

    def _erase_again(self, wearers: set[str]) -> None:
        """A wearer erased while we were writing must not come back by what we wrote."""
        for wearer in wearers - self._clinic.known_wearers(wearers):
            self._store.erase(wearer)


def _taken(settled: Iterable[tuple[str, Message]]) -> list[Message]:
    digests: dict[str, list[str]] = {}
    for wearer, message in settled:
        if parse(message.topic).kind in {Kind.BIRTH, Kind.MARK}:
            digests.setdefault(wearer, []).append(digest(message.payload))
    return [
        Message(wearer_topic(wearer, Kind.TAKEN), Taken(found[at : at + MAX_TAKEN]).dump())
        for wearer, found in digests.items()
        for at in range(0, len(found), MAX_TAKEN)
    ]


def _step(mark: Mark) -> CalibrationStep:
    return CalibrationStep(str(mark.step), mark.at_ns, int(mark.end_ns or 0), mark.distance_m)


def _spans(batches: Iterable[Batch]) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    for start, end in sorted((x.t0_ns, x.t0_ns + x.n * x.dt_ns) for x in batches):
        if spans and start <= spans[-1][1] + ARRIVAL_GAP_NS:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end))
        else:
            spans.append((start, end))
    return spans


def _letter(wearer: str | None, message: Message, reason: str) -> DeadLetter:
    return dead_letter(wearer, message.topic, reason, message.payload)
