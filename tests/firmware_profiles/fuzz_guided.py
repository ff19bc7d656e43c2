"""Coverage-guided fuzz of one decoder; needs atheris, in an environment of its own
(docs/fuzzing.md). `python -m tests.firmware_profiles.fuzz_guided NAME -max_total_time=120`

An input is a list of packets: one byte chooses the characteristic, one says the length.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["firmware_profiles"]):
    from tests.firmware_profiles import fuzz

from firmware_profiles.base import BATTERY_LEVEL_UUID, DecodeError


def main(arguments: list[str]) -> None:
    name, *options = arguments
    target = fuzz.targets()[name]
    uuids = [*target.characteristics, BATTERY_LEVEL_UUID]
    reseal = fuzz.RESEAL.get(name)
    warnings.simplefilter("error")

    def one_input(data: bytes) -> None:
        config = target.configs[data[0] % len(target.configs)] if data else target.configs[0]
        decoder = target.profile.decoder(config)
        at = 1
        while at + 2 <= len(data):
            packet = data[at + 2 : at + 2 + data[at + 1]]
            # the upper half of the byte's values asks for a checksum that fits
            packet = reseal(packet) if reseal and data[at] >= 128 else packet
            try:
                for event in decoder.decode(uuids[data[at] % 128 % len(uuids)], packet):
                    fuzz.check(event)
            except DecodeError:
                pass
            at += 2 + data[at + 1]

    if all(option.startswith("-") for option in options):  # else inputs to repeat
        options += ["-max_len=2048", seeded_corpus(target, uuids)]
    atheris.Setup([sys.argv[0], *options], one_input)
    atheris.Fuzz()


def seeded_corpus(target: fuzz.Target, uuids: list[str]) -> str:
    """A directory with the vectors as inputs. It stays: Fuzz() ends the process, and what it
    collects there is of use to the next run."""
    corpus = tempfile.mkdtemp(prefix="fuzz_corpus_")
    for number, sequence in enumerate(target.sequences):
        for config in range(len(target.configs)):
            seed = bytes((config,)) + b"".join(
                bytes((uuids.index(uuid), len(packet[:255]))) + packet[:255]
                for uuid, packet in sequence
            )
            Path(corpus, f"{number}_{config}").write_bytes(seed)
    return corpus


if __name__ == "__main__":
    main(sys.argv[1:])
