"""Acceleration and rotation with stamps of their own become blocks of both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_profiles.base import Quantity, SampleBlock
from firmware_profiles.pairing import Pairing

DT_NS = 20_000_000
PATIENCE_NS = 2_000_000_000
ACCEL, GYRO = Quantity.ACCEL, Quantity.GYRO


def pairing() -> Pairing:
    return Pairing(ACCEL, GYRO, PATIENCE_NS)


def block(quantity: Quantity, first: int, n: int, offset_ns: int = 0, **more: Any) -> SampleBlock:
    """Samples first .. first + n - 1, whose values are their numbers."""
    values = np.repeat(np.arange(first, first + n, dtype=np.float32)[:, None], 3, axis=1)
    return SampleBlock(n, first * DT_NS + offset_ns, DT_NS, {quantity: values}, **more)


def numbers(blocks: list[SampleBlock], quantity: Quantity) -> list[int]:
    found = [b.values[quantity][:, 0] for b in blocks if quantity in b.values]
    return [int(x) for x in np.concatenate(found)] if found else []


def feed(pair: Pairing, *blocks: SampleBlock) -> list[SampleBlock]:
    return [made for item in blocks for made in pair.add(item)]


@settings(max_examples=150, deadline=None, database=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(-DT_NS // 2 + 1, DT_NS // 2 - 1),
    st.booleans(),
)
def test_every_sample_finds_its_nearest_whatever_the_packets(
    seed: int, largest_accel: int, largest_gyro: int, offset_ns: int, gyro_first: bool
) -> None:
    rng = np.random.default_rng(seed)
    total = 80
    queues = []
    for quantity, largest, shift_ns in ((ACCEL, largest_accel, 0), (GYRO, largest_gyro, offset_ns)):
        blocks, first = [], 0
        while first < total:
            size = min(int(rng.integers(1, largest + 1)), total - first)
            jitter_ns = int(rng.integers(-1_500_000, 1_500_001))
            blocks.append((first, block(quantity, first, size, shift_ns + jitter_ns)))
            first += size
        queues.append(blocks)
    order = sorted(
        [*queues[gyro_first], *queues[not gyro_first]], key=lambda item: item[0] + item[1].n
    )
    made = feed(pairing(), *(item for _, item in order))
    accel, gyro = numbers(made, ACCEL), numbers(made, GYRO)
    assert accel == sorted(set(accel))
    assert len(accel) == len(gyro) >= total - 2
    assert all(abs(a - g) <= 1 for a, g in zip(accel, gyro, strict=True))
    lags = {a - g for a, g in zip(accel, gyro, strict=True)}
    assert len(lags) <= 2
    assert all(set(b.values) == {ACCEL, GYRO} for b in made)


def test_times_are_those_of_acceleration_and_the_newest_is_told() -> None:
    pair = pairing()
    assert pair.add(block(ACCEL, 0, 10, lsb={ACCEL: 0.01})) == []
    (first,) = pair.add(block(GYRO, 0, 6, 5_000_000, lsb={GYRO: 0.001}))
    assert (first.n, first.device_t0_ns, first.device_dt_ns) == (6, 0, DT_NS)
    assert first.lsb == {ACCEL: 0.01, GYRO: 0.001}
    assert first.newest_ns == 9 * DT_NS
    (rest,) = pair.add(block(GYRO, 6, 10, 5_000_000))
    assert (rest.n, rest.device_t0_ns) == (4, 6 * DT_NS)
    assert rest.newest_ns == 15 * DT_NS + 5_000_000


def test_streams_begin_together() -> None:
    pair = pairing()
    made = feed(pair, block(ACCEL, 0, 30), block(GYRO, 12, 40), block(ACCEL, 30, 20))
    assert numbers(made, ACCEL) == numbers(made, GYRO) == list(range(12, 50))
    pair = pairing()
    made = feed(pair, block(GYRO, 0, 30), block(ACCEL, 12, 40), block(GYRO, 30, 20))
    assert numbers(made, ACCEL) == numbers(made, GYRO) == list(range(12, 50))


def test_lost_rotation_leaves_acceleration_alone() -> None:
    pair = pairing()
    made = feed(pair, block(ACCEL, 0, 30), block(GYRO, 0, 10), block(GYRO, 20, 10))
    assert numbers(made, ACCEL) == list(range(30))
    assert [(b.n, GYRO in b.values) for b in made] == [(10, True), (10, False), (10, True)]


def test_lost_acceleration_is_a_loss() -> None:
    pair = pairing()
    made = feed(
        pair,
        block(GYRO, 0, 40),
        block(ACCEL, 0, 10),
        block(ACCEL, 20, 20, lost_before=10),
    )
    assert numbers(made, GYRO) == [*range(10), *range(20, 40)]
    assert [b.lost_before for b in made] == [0, 10]


def test_loss_is_told_once_though_the_block_is_cut() -> None:
    pair = pairing()
    feed(pair, block(GYRO, 0, 5), block(ACCEL, 0, 5))
    made = feed(pair, block(ACCEL, 8, 10, lost_before=3), block(GYRO, 5, 8), block(GYRO, 13, 5))
    assert [b.lost_before for b in made] == [3, 0]
    assert numbers(made, GYRO) == list(range(8, 18))


def test_patience_ends() -> None:
    pair = pairing()
    feed(pair, block(ACCEL, 0, 10), block(GYRO, 0, 10))
    assert feed(pair, block(ACCEL, 10, 90)) == []
    made = feed(pair, block(ACCEL, 100, 101))
    assert numbers(made, ACCEL) == list(range(10, 100))
    assert not numbers(made, GYRO)
    made = feed(pair, block(GYRO, 150, 10))
    assert numbers(made, GYRO) == list(range(150, 160))


def test_rotation_alone_gives_nothing_and_is_not_kept_for_ever() -> None:
    pair = pairing()
    for first in range(0, 10_000, 50):
        assert pair.add(block(GYRO, first, 50)) == []
    assert len(pair._others.times_ns) <= PATIENCE_NS // DT_NS + 1


def test_repeats_are_left_out() -> None:
    pair = pairing()
    blocks = [block(ACCEL, 0, 10), block(GYRO, 0, 10), block(ACCEL, 10, 10), block(GYRO, 10, 10)]
    made = feed(pair, *(item for item in blocks for _ in range(2)))
    assert numbers(made, ACCEL) == numbers(made, GYRO) == list(range(20))


@pytest.mark.parametrize("first", [ACCEL, GYRO])
def test_restart_of_the_clock(first: Quantity) -> None:
    second = GYRO if first is ACCEL else ACCEL
    pair = pairing()
    feed(pair, block(ACCEL, 10_000, 10), block(GYRO, 10_000, 10), block(ACCEL, 10_010, 5))
    made = feed(
        pair,
        block(first, 3, 10, restarted=True),
        block(second, 3, 10, restarted=True),
        block(first, 13, 10),
        block(second, 13, 10),
    )
    assert numbers(made, ACCEL)[-20:] == numbers(made, GYRO)[-20:] == list(range(3, 23))
    assert any(b.restarted for b in made)
