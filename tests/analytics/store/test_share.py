"""Every wearer is in one share exactly, and in the same in every version."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from analytics.store.clinic import Clinic
from analytics.store.share import ALL, Share
from trunkline.cli import main

WEARERS = [f"p-{n:04}" for n in range(2000)]


def test_the_shares_divide_everybody() -> None:
    for of in (1, 2, 4, 7):
        shares = [Share(number, of) for number in range(1, of + 1)]
        count = Counter(share.number for w in WEARERS for share in shares if share.has(w))
        assert sum(count.values()) == len(WEARERS)
        assert min(count.values()) > 0.8 * len(WEARERS) / of
    assert all(ALL.has(wearer) for wearer in WEARERS)


def test_the_share_of_a_wearer_does_not_change() -> None:
    assert [Share(n, 4).has("p-0001") for n in (1, 2, 3, 4)] == [False, True, False, False]


def test_a_clinic_of_a_share_lists_its_own_and_knows_all(tmp_path: Path) -> None:
    path = tmp_path / "clinic.db"
    whole, mine = Clinic(path), Clinic(path, Share(1, 2))
    with whole.transaction():
        for wearer in WEARERS[:50]:
            whole.add_wearer(wearer, "UTC")
    whole.add_arrivals((wearer, "trunk", 0, 1) for wearer in WEARERS[:50])
    ours = [wearer for wearer in WEARERS[:50] if Share(1, 2).has(wearer)]
    assert [x.wearer for x in mine.wearers()] == [x.wearer for x in mine.arrivals()] == ours
    assert [x.wearer for x in mine.arrivals(limit=3)] == ours[:3]
    assert len(whole.arrivals()) == 50
    other = next(wearer for wearer in WEARERS[:50] if wearer not in ours)
    assert mine.wearer(other).wearer == other
    whole.close()
    mine.close()


@pytest.mark.parametrize("shard", ["0/4", "5/4", "one", "1/0", "1"])
def test_a_share_that_is_none_is_refused(tmp_path: Path, shard: str) -> None:
    words = ["worker", "--shard", shard, "--data-dir", str(tmp_path)]
    answer = CliRunner().invoke(main, words)
    assert (answer.exit_code, "1/4 to 4/4" in answer.output) == (2, True), answer.output
