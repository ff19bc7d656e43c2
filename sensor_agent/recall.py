"""What a sensor has kept in its own memory while it was out of reach: ask, take, clear."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from firmware_profiles.base import (
    ConfigurationError,
    DecodeError,
    ProfileError,
    Recorder,
    Recording,
    SampleBlock,
    StreamEnded,
    StreamRequest,
)
from sensor_agent.batcher import Batcher, is_plausible
from sensor_agent.ble import Link, LinkLostError, RadioError
from wire.batch import Batch

log = logging.getLogger(__name__)

MAX_FAILURES = 2
"""A read-out that fails so often must not keep the sensor from streaming."""
QUIET_S = 5.0
"""Real seconds without a packet after which a read-out has stopped."""
MAX_READ_OUT_S = 900.0
"""A read-out that takes longer costs more than it brings: the sensor does not measure meanwhile."""
SAMPLES_PER_S = 150.0
"""A guess of what comes out in a second: one message each at a connection interval of 7.5 ms."""
STOP_S = 3.0


class Memory:
    """One sensor's memory, as far as an agent uses it."""

    def __init__(self) -> None:
        self._recording: Recording | None = None
        self._began_ns = 0
        self._failures = 0
        self._is_refused = False

    @property
    def is_recording(self) -> bool:
        """Whether the sensor keeps what it measures, in reach or not."""
        return self._recording is not None

    async def record(
        self, link: Link, recorder: Recorder, request: StreamRequest, now_ns: int
    ) -> None:
        """Let an idle sensor record from now on; one that does not want to is left alone."""
        if self._is_refused:
            return
        try:
            self._recording = await link.perform(recorder.record(request, link.mtu))
        except (ConfigurationError, DecodeError) as error:
            log.warning("the sensor does not record by itself: %s", error)
        self._began_ns, self._is_refused = now_ns, self._recording is None

    async def abandon(self, link: Link, recorder: Recorder) -> None:
        """The sensor does not measure while it records: go on without."""
        if self._recording is not None:
            self._is_refused = True
            await self._forget(link, recorder)

    async def recall(
        self,
        link: Link,
        recorder: Recorder,
        batcher: Batcher,
        emit: Callable[[list[Batch]], None],
        now_ns: int,
    ) -> int:
        """Hand on what was kept beyond what is known; how many samples that were. Raises RadioError
        when the link fails, and is tried again with the next one."""
        recording = self._recording
        if recording is None:
            return 0
        expected = (now_ns - self._began_ns) * 1e-9 * recording.rate_hz
        before = batcher.counters.samples
        if self._failures < MAX_FAILURES and expected / SAMPLES_PER_S < MAX_READ_OUT_S:
            self._failures += 1
            try:
                await self._read_out(link, recorder, recording, batcher, emit)
            except (ConfigurationError, DecodeError) as error:
                log.warning("the sensor's memory cannot be read: %s", error)
        else:
            log.warning("the sensor's memory is not read out: it would take too long, or failed")
        await self._forget(link, recorder)
        self._failures = 0
        return batcher.counters.samples - before

    async def stop(self, link: Link, recorder: Recorder) -> None:
        """The agent ends: the sensor need not record any more."""
        if self._recording is not None:
            with suppress(RadioError, ProfileError, TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await self._forget(link, recorder)

    async def _read_out(
        self,
        link: Link,
        recorder: Recorder,
        recording: Recording,
        batcher: Batcher,
        emit: Callable[[list[Batch]], None],
    ) -> None:
        decoder = await link.perform(recorder.recall(recording))
        is_complete = False
        while not is_complete:
            packets = await link.receive(QUIET_S)
            if not packets:
                raise RadioError("the sensor's read-out has stopped", "it is tried again by itself")
            for packet in packets:
                try:
                    events = decoder.decode(packet.characteristic, packet.data)
                except DecodeError as error:
                    log.debug("a part of the sensor's memory cannot be used: %s", error)
                    continue
                for event in events:
                    if isinstance(event, SampleBlock) and is_plausible(event):
                        emit(batcher.recall(event, packet.arrival_ns))
                    elif isinstance(event, StreamEnded):
                        is_complete = True
        emit(batcher.recalled())

    async def _forget(self, link: Link, recorder: Recorder) -> None:
        recording, self._recording = self._recording, None
        if recording is not None:
            try:
                await link.perform(recorder.forget(recording))
            except LinkLostError:
                raise
            except (ConfigurationError, DecodeError, TimeoutError) as error:
                log.warning("the sensor's memory was not cleared: %s", error)
