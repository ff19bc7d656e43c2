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
    for characteristic, group in groupby(packets, key=itemgetter(0)):
        data = [packet for _, packet in group]
        for at in range(0, len(data), LONGEST_RUN):
            piece = data[at : at + LONGEST_RUN]
            yield from _decode_piece(decoder, characteristic, piece, begin + at)
        begin += len(data)


def _decode_piece(
    decoder: Decoder, characteristic: str, packets: Sequence[bytes], begin: int
) -> Iterator[tuple[int, Event | DecodeError | SampleRun]]:
    """Together if they allow it, else in halves, and short ones packet by packet."""
    if len(packets) >= SHORTEST_RUN and isinstance(decoder, BulkDecoder):
        run = decoder.decode_run(characteristic, packets)
        if run is not None:
            yield begin, replace(run, packet=run.packet + begin)
            return
        half = len(packets) // 2
        yield from _decode_piece(decoder, characteristic, packets[:half], begin)
        yield from _decode_piece(decoder, characteristic, packets[half:], begin + half)
        return
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
