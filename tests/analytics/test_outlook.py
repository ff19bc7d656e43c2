"""What is told of now: soon, close to what becomes final, and whatever the chunks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.detect.findings import SECOND_NS, Findings, Posture, Timeline
from analytics.detect.parameters import Parameters
from analytics.outlook import BACK_S, EVERY_S, Look, Outlook
from analytics.pipeline import Pipeline
from tests.analytics.signals import busy_day, played
from tests.analytics.test_pipeline import Samples, context_for, same, whole


@pytest.fixture(scope="module")
def busy() -> Samples:
    return played(busy_day().script())


def looks(
    samples: Samples, cuts: list[int], second: int = 7, parameters: Parameters | None = None
) -> dict[int, Look]:
    """Looks after each cut (in samples)."""
    t_ns, accel, gyro = samples
    pipeline = Pipeline(context_for(samples), parameters)
    outlook, found = Outlook(pipeline, second), {}
    for start, stop in pairwise([0, *cuts]):
        part = slice(start, stop)
        pipeline.push(t_ns[part], accel[part], None if gyro is None else gyro[part])
        look = outlook.look()
        assert look is not None
        found[stop] = look
    return found


@pytest.mark.parametrize("second", [0, 9])
def test_what_goes_on_counts_as_soon_as_it_has_lasted_long_enough(
    busy: Samples, second: int
) -> None:
    """A slouch of five minutes and a walk of two; whether it was looked in between or not."""
    parameters = Parameters().override({"walking": {"prolonged_min": 2.0}})
    pipeline = Pipeline(context_for(busy), parameters)
    pipeline.push(*busy)
    final = pipeline.finish()
    assert final is not None
    (slouch,) = final.slouch_episodes
    (walk,) = (bout for bout in final.walking_bouts if bout.prolonged)
    for begin_ns, lasts_s in ((slouch.start_ns, 300), (walk.start_ns, 120)):
        due = (begin_ns // SECOND_NS + lasts_s) * 50
        found = looks(busy, [due - 150, *range(due, due + 250, 50)], second, parameters)
        counts = [
            len(look.findings.slouch_episodes)
            + sum(bout.prolonged for bout in look.findings.walking_bouts)
            for look in found.values()
        ]
        assert counts[0] < counts[-1]
        assert counts[4] == counts[-1]
        (alone,) = looks(busy, [due + 200], second, parameters).values()
        assert same(alone.findings, found[due + 200].findings)


def _alike(a: tuple[str, int, int], b: tuple[str, int, int]) -> bool:
    """The same kind of movement at about the same time."""
    return a[0] == b[0] and a[1] < b[2] and b[1] < a[2]


def newest(findings: Findings) -> Timeline:
    return findings.timelines[-1]


def test_looks_do_not_depend_on_when_it_was_looked_before(busy: Samples) -> None:
    ends = [4321, 9050, 17_777, 24_000]
    often = looks(busy, sorted({*range(99, ends[-1], 333), *ends}))
    for end in ends:
        (alone,) = looks(busy, [end]).values()
        assert same(alone.findings, often[end].findings)


def test_what_began_before_the_mark_stays_until_the_next_one(busy: Samples) -> None:
    """But for a movement over it, and then it is said from when on."""
    found = looks(busy, list(range(250, 12_000, 150)))
    marks = 0
    for (_, before), (stop, after) in pairwise(found.items()):
        assert 0 <= stop // 50 - after.mark_ns // SECOND_NS < EVERY_S
        marks += after.fresh
        if not after.fresh:
            assert after.mark_ns == before.mark_ns
            assert 0 <= after.mark_ns - after.since_ns <= BACK_S * SECOND_NS
            end_ns = after.since_ns
            unchanged = replace(after.findings.before(end_ns), end_ns=0)
            assert same(replace(before.findings.before(end_ns), end_ns=0), unchanged)
    assert marks == 12_000 // 50 // EVERY_S


@pytest.mark.parametrize("second", [0, 6, 13])
def test_movements_are_told_as_they_end(busy: Samples, second: int) -> None:
    """Wherever the marks lie; and nothing is told that is not so in the end."""
    t_ns, (_, *rest) = busy[0], whole(context_for(busy), busy).movements
    final = [(m.kind, m.start_ns, m.end_ns) for m in rest]
    ends = sorted({int(end_ns // 20_000_000) // 50 * 50 + 150 for _, _, end_ns in final})
    found = looks(busy, [stop for stop in ends if stop < len(t_ns)], second)
    told = 0
    for stop, look in found.items():
        now = [(m.kind, m.start_ns, m.end_ns) for m in look.findings.movements]
        due = [m for m in final if stop - 400 <= m[2] // 20_000_000 <= stop - 100]
        missing = [m for m in due if not any(_alike(m, other) for other in now)]
        assert not missing, f"after {stop / 50} s"
        assert all(any(_alike(m, other) for other in final) for m in now[1:])
        told += len(due)
    assert told >= len(final) - 1


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
