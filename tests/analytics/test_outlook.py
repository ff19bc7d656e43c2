"""What is told of now: soon, close to what becomes final, and whatever the chunks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.detect.findings import SECOND_NS, Findings, Posture, Timeline
from analytics.outlook import EVERY_S, Look, Outlook
from analytics.pipeline import Pipeline
from tests.analytics.signals import busy_day, played
from tests.analytics.test_pipeline import Samples, context_for, same, whole


@pytest.fixture(scope="module")
def busy() -> Samples:
    return played(busy_day().script())


def looks(samples: Samples, cuts: list[int], second: int = 7) -> dict[int, Look]:
    """Looks after each cut (in samples)."""
    t_ns, accel, gyro = samples
    pipeline = Pipeline(context_for(samples))
    outlook, found = Outlook(pipeline, second), {}
    for start, stop in pairwise([0, *cuts]):
        part = slice(start, stop)
        pipeline.push(t_ns[part], accel[part], None if gyro is None else gyro[part])
        look = outlook.look()
        assert look is not None
        found[stop] = look
    return found


def newest(findings: Findings) -> Timeline:
    return findings.timelines[-1]


def test_looks_do_not_depend_on_when_it_was_looked_before(busy: Samples) -> None:
    ends = [4321, 9050, 17_777, 24_000]
    often = looks(busy, sorted({*range(99, ends[-1], 333), *ends}))
    for end in ends:
        (alone,) = looks(busy, [end]).values()
        assert same(alone.findings, often[end].findings)


def test_only_rows_since_the_mark_change_until_the_next_mark(busy: Samples) -> None:
    found = looks(busy, list(range(250, 12_000, 250)))
    marks = 0
    for (_, before), (stop, after) in pairwise(found.items()):
        assert 0 <= stop // 50 - after.mark_ns // SECOND_NS < EVERY_S
        marks += after.fresh
        if not after.fresh:
            assert after.mark_ns == before.mark_ns
            end_ns = after.mark_ns
            unchanged = replace(after.findings.before(end_ns), end_ns=0)
            assert same(replace(before.findings.before(end_ns), end_ns=0), unchanged)
    assert marks == 12_000 // 50 // EVERY_S


def test_what_is_told_of_now_is_close_to_what_becomes_final(busy: Samples) -> None:
    """Seconds that are at least five old; the newest ones may not know yet what is happening."""
    (final,) = whole(context_for(busy), busy).timelines
    agree, off_deg, slouch = [], [], []
    for look in looks(busy, list(range(2000, len(busy[0]), 150))).values():
        row = len(newest(look.findings)) - 6
        line, at = newest(look.findings), newest(look.findings).first_s + row - final.first_s
        agree.append(line.posture[row] == final.posture[at])
        off_deg.append(abs(line.flexion_deg[row] - final.flexion_deg[at]))
        slouch.append(line.slouched[row] == final.slouched[at])
    assert np.mean(agree) > 0.97
    assert np.mean(slouch) > 0.97
    assert np.percentile(off_deg, 95) < 0.5


def test_slouching_is_told_soon_after_the_threshold_is_crossed(busy: Samples) -> None:
    (episode,) = whole(context_for(busy), busy).slouch_episodes
    begin = int(episode.start_ns // 20_000_000)
    (look,) = looks(busy, [begin + 100]).values()
    assert newest(look.findings).slouched[-1] == 1


@pytest.mark.parametrize("second", [0, 1, 20])
def test_a_wearer_who_gets_up_is_told_to_stand(busy: Samples, second: int) -> None:
    """Wherever the mark lies: also when it falls into the movement."""
    found = whole(context_for(busy), busy)
    rise = next(m for m in found.movements if m.kind == "sit_to_stand")
    stop = int(rise.end_ns // 20_000_000) + 6 * 50
    (look,) = looks(busy, [stop], second + rise.start_ns // SECOND_NS).values()
    assert newest(look.findings).posture[-2] in {Posture.STANDING, Posture.WALKING}


def test_a_table_stays_a_table(busy: Samples) -> None:
    rng = np.random.default_rng(3)
    n = 50 * 800
    t_ns: NDArray[np.int64] = np.arange(n, dtype=np.int64) * 20_000_000
    table: Samples = (t_ns, rng.normal((0, 0, 9.8), 0.01, (n, 3)), rng.normal(0, 0.001, (n, 3)))
    (look,) = looks(table, [n]).values()
    assert (newest(look.findings).worn == 0).all()


def test_before_the_first_mark_there_are_rows(busy: Samples) -> None:
    for stop, look in looks(busy, [200, 350], second=55).items():
        assert len(newest(look.findings)) == stop // 50
        assert newest(look.findings).posture[-1] == Posture.STANDING
