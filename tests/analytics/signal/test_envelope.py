"""Lowest and highest of pieces of time: the same for any chunking, with gaps left empty."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.signal.envelope import Envelope


@given(
    pieces=st.integers(1, 12),
    length_ns=st.integers(12, 10_000),
    cuts=st.lists(st.integers(0, 400), max_size=5),
    seed=st.integers(0, 99),
)
def test_any_chunking_gives_the_lowest_and_highest_of_each_piece(
    pieces: int, length_ns: int, cuts: list[int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    t_ns = np.unique(random.integers(1000, 1000 + length_ns, 400))
    values = random.normal(size=(len(t_ns), 2)).astype(np.float32)
    values[random.random(values.shape) < 0.2] = np.nan
    found = Envelope(1000, 1000 + length_ns, pieces, 2)
    for part in np.split(np.arange(len(t_ns)), sorted(min(c, len(t_ns)) for c in cuts)):
        found.add(t_ns[part], values[part])
    for piece in range(pieces):
        low_ns = 1000 + piece * found.piece_ns
        inside = values[(t_ns >= low_ns) & (t_ns < low_ns + found.piece_ns)]
        assert found.count[piece] == len(inside)
        for column in range(2):
            known = inside[np.isfinite(inside[:, column]), column]
            expected = (known.min(), known.max()) if len(known) else (np.nan, np.nan)
            assert np.array_equal(
                (found.low[piece, column], found.high[piece, column]), expected, equal_nan=True
            )
