"""Decoding many packets at once: after a burst, in a fast replay, from a capture.

A packet of one to four samples costs more in Python calls than in arithmetic. Where packets have a
fixed layout, a run of them is one array; whatever is out of the ordinary goes packet by packet.
Results are the same either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Final

from firmware_profiles.base import BulkDecoder, DecodeError, Decoder, Event, SampleRun

SHORTEST_RUN: Final = 16
"""Packets: with fewer an array is no faster."""
LONGEST_RUN: Final = 4096
"""Packets: more make it no faster, and one damaged packet sends its whole run back to be halved."""


def decode_all(
    decoder: Decoder, packets: Sequence[tuple[str, bytes]]
) -> Iterator[tuple[int, Event | DecodeError]]:
    """(place of the packet, event or error) in order, for (characteristic, bytes) in order.

    Packets are decoded as the iterator is followed.
    """
    for place, found in decode_columns(decoder, packets):
        if isinstance(found, SampleRun):
            yield from found.blocks()
        else:
            yield place, found


def decode_columns(
    decoder: Decoder, packets: Sequence[tuple[str, bytes]]
) -> Iterator[tuple[int, Event | DecodeError | SampleRun]]:
    """As decode_all, with runs of blocks left together."""
    begin = 0
    bulk = decoder if isinstance(decoder, BulkDecoder) else None  # asked once: it takes long
    for characteristic, group in groupby(packets, key=itemgetter(0)):
        data = [packet for _, packet in group]
        for at in range(0, len(data), LONGEST_RUN):
            piece = data[at : at + LONGEST_RUN]
            yield from _piece(decoder, bulk, characteristic, piece, begin + at)
        begin += len(data)


_Found = Iterator[tuple[int, Event | DecodeError | SampleRun]]


def _run_of(
    bulk: BulkDecoder | None, characteristic: str, packets: Sequence[bytes]
) -> SampleRun | None:
    """The packets together, if they are many enough and allow it."""
    if bulk is None or len(packets) < SHORTEST_RUN:
        return None
    return bulk.decode_run(characteristic, packets)


def _piece(
    decoder: Decoder,
    bulk: BulkDecoder | None,
    characteristic: str,
    packets: Sequence[bytes],
    begin: int,
) -> _Found:
    """A stream that begins goes together only once its first packets have been seen: after a
    refusal those come one by one, and then the rest is tried."""
    run = _run_of(bulk, characteristic, packets)
    if run is None and len(packets) > 2 * SHORTEST_RUN:
        yield from _one_by_one(decoder, characteristic, packets[:SHORTEST_RUN], begin)
        packets, begin = packets[SHORTEST_RUN:], begin + SHORTEST_RUN
        run = _run_of(bulk, characteristic, packets)
    if run is None:
        yield from _in_halves(decoder, bulk, characteristic, packets, begin)
    else:
        yield begin, replace(run, packet=run.packet + begin)


def _in_halves(
    decoder: Decoder,
    bulk: BulkDecoder | None,
    characteristic: str,
    packets: Sequence[bytes],
    begin: int,
) -> _Found:
    """Packets that do not go together as a whole: each half if it does, short ones one by one."""
    if bulk is None or len(packets) < SHORTEST_RUN:
        yield from _one_by_one(decoder, characteristic, packets, begin)
        return
    half = len(packets) // 2
    for piece, at in ((packets[:half], begin), (packets[half:], begin + half)):
        run = _run_of(bulk, characteristic, piece)
        if run is None:
            yield from _in_halves(decoder, bulk, characteristic, piece, at)
        else:
            yield at, replace(run, packet=run.packet + at)


def _one_by_one(
    decoder: Decoder, characteristic: str, packets: Sequence[bytes], begin: int
) -> _Found:
    for place, data in enumerate(packets, begin):
        try:
            for event in decoder.decode(characteristic, data):
                yield place, event
        except DecodeError as error:
            yield place, error


def table(packets: Sequence[bytes]) -> bytes | None:
    """The packets joined, when all have one length (not 0); they are the rows of an array then."""
    lengths = set(map(len, packets))
    return b"".join(packets) if len(lengths) == 1 and 0 not in lengths else None
