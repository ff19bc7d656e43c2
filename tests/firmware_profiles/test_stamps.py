"""What the step between two device stamps means."""

from __future__ import annotations

import pytest

from firmware_profiles.stamps import LONGEST_GAP_NS, REPEAT_NS, Passage, passage

NOW = 10 * LONGEST_GAP_NS


@pytest.mark.parametrize(
    ("previous", "expected"),
    [
        (None, Passage.FIRST),
        (NOW - 1, Passage.FORWARD),
        (NOW - LONGEST_GAP_NS, Passage.FORWARD),
        (NOW - LONGEST_GAP_NS - 1, Passage.RESTART),
        (NOW, Passage.REPEAT),
        (NOW + REPEAT_NS, Passage.REPEAT),
        (NOW + REPEAT_NS + 1, Passage.RESTART),
    ],
)
def test_passage(previous: int | None, expected: Passage) -> None:
    assert passage(previous, NOW) is expected
