"""A short run of the long fuzz (fuzz.py), and proof that it notices a bad decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from firmware_profiles.base import Event
from tests.firmware_profiles import fuzz

TARGETS = fuzz.targets()


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_packets_give_events_or_decode_error(name: str) -> None:
    outcome = fuzz.run(name, TARGETS[name], packets=2000, seed=7)
    assert outcome.packets == 2000
    assert not outcome.findings
    assert outcome.blocks > 100, "packets get through"
    assert outcome.refused > 500, "damage is noticed"


def test_same_seed_same_packets() -> None:
    target = TARGETS["movesense"]
    one, same, other = (fuzz.run("movesense", target, 1000, seed) for seed in (3, 3, 4))
    assert one == same
    assert one != other


def test_what_is_no_decode_error_is_a_finding() -> None:
    good = TARGETS["thingy52"].profile

    class Careless:
        info = good.info

        def decoder(self, config: Mapping[str, object]) -> Any:
            self.inner = good.decoder(config)
            return self

        def decode(self, characteristic: str, data: bytes) -> list[Event]:
            if len(data) == 17:
                raise IndexError("index out of range")
            return self.inner.decode(characteristic, data)

    target = replace(TARGETS["thingy52"], profile=Careless())
    (where,) = fuzz.run("careless", target, 2000, seed=1).findings
    assert where.startswith("IndexError in test_fuzz_mutations.py")
