"""Live streams without a radio: a profile's steps carried out against its virtual twin."""

from __future__ import annotations

from typing import Any

import numpy as np

from firmware_profiles.base import Decoder, Pause, Profile, Read, StreamRequest, Write
from sensor_agent.virtual.encoders.base import Encoder

Packet = tuple[str, bytes]
MTU = 247


def connect(profile: Profile, encoder: Encoder, **request: Any) -> Decoder:
    """The decoder of a stream that the encoder has started."""
    steps = profile.configure(StreamRequest(**request), MTU)
    try:
        step = next(steps)
        while True:
            answer = None
            if isinstance(step, Read):
                answer = encoder.read(step.characteristic)
            elif isinstance(step, Write):
                pushes = encoder.write(step.characteristic, step.data, MTU)
                if step.reply is not None:
                    answer = next(p.data for p in pushes if step.reply(p.data))
            elif isinstance(step, Pause):
                assert step.seconds < 5
            step = steps.send(answer)
    except StopIteration as end:
        decoder: Decoder = end.value
        return decoder


def packets(encoder: Encoder, frames: int, seed: int) -> list[Packet]:
    """What a started encoder notifies for so many frames of noise within every range."""
    assert encoder.stream is not None
    rate_hz, n = encoder.stream.rate_hz, encoder.stream.samples_per_frame
    rng = np.random.default_rng(seed)
    out: list[Packet] = []
    for number in range(frames):
        t_ns = 10**10 + np.rint((number * n + np.arange(n)) * 1e9 / rate_hz).astype(np.int64)
        accel, gyro = rng.uniform(-15, 15, (n, 3)), rng.uniform(-4, 4, (n, 3))
        frame = encoder.encode(t_ns, accel, gyro if encoder.measures_rotation else None)
        out += [(push.characteristic, push.data) for push in frame.pushes]
    return out
