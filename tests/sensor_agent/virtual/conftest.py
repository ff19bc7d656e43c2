"""A short motion and a world to put virtual sensors in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
import pytest_asyncio

from sensor_agent.clock import ScaledClock
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.world import VirtualWorld

SPEED = 10.0


@pytest.fixture
def make_motion() -> Callable[[float, float], Motion]:
    """make_motion(rate_hz, seconds): a slow sway that fits every sensor's range."""

    def make(rate_hz: float, seconds: float) -> Motion:
        t = np.arange(round(rate_hz * seconds)) / rate_hz
        phase = 2 * np.pi * t[:, None] * np.array([0.3, 0.5, 0.7])
        return Motion(rate_hz, 9.0 * np.sin(phase), 2.0 * np.cos(phase))

    return make


@pytest_asyncio.fixture
async def world() -> AsyncIterator[VirtualWorld]:
    """A world whose clock runs SPEED times faster and whose radio gives up after 0.3 s."""
    async with VirtualWorld(ScaledClock(SPEED), supervision_timeout_s=0.3) as made:
        yield made
