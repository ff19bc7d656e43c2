"""The processes of a run. They are forked from a server that has imported everything, so that a
start costs what the program itself does and not Python's imports."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

# Imported for the forked processes, which find them loaded.
import analytics.ingest
import analytics.store.influx
import analytics.worker
import sensor_agent.agent
import sensor_agent.session
import trunkline.commands.ingest
import trunkline.commands.worker
from sensor_agent.agent import Agent, AgentConfig, Shared, run_agents
from sensor_agent.broker import BrokerConfig
from sensor_agent.session import SensorConfig
from tests.chaos.air import SensorPlan, Timebase, adapter
from trunkline.cli import main
from trunkline.commands.agent import stop_on_signals
from wire.messages import Placement

__all__ = ["analytics", "trunkline"]
PLACEMENTS = (Placement.T12, Placement.THIGH_LEFT, Placement.WRIST_LEFT, Placement.PELVIS)


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """One agent process: for every wearer its account's secret and its sensors by id."""

    wearers: dict[str, dict[str, SensorPlan]]
    secrets: dict[str, Path]
    broker_port: int
    folder: Path
    timebase: Timebase

    def config(self, wearer: str) -> AgentConfig:
        sensors = tuple(
            SensorConfig(name, PLACEMENTS[i % len(PLACEMENTS)], plan.profile, plan.serial)
            for i, (name, plan) in enumerate(self.wearers[wearer].items())
        )
        return AgentConfig(
            wearer=wearer,
            broker=BrokerConfig(
                port=self.broker_port,
                user=wearer,
                password=self.secrets[wearer].read_text().strip(),
            ),
            outbox_path=self.folder / f"outbox-{wearer}.db",
            sensors=sensors,
            silence_s=5 * self.timebase.speed,
        )


def run_agent_process(plan: AgentPlan, air_port: int, log: Path) -> None:
    """All wearers' agents; SIGTERM stops the sensors and waits until everything is delivered."""
    _log_to(log)
    # how long stopping may take is tested elsewhere: here sensors must be told on any machine
    sensor_agent.agent.SENSORS_STOP_S = sensor_agent.session.STOP_STEPS_S = 60.0
    asyncio.run(_run_agents(plan, air_port))


async def _run_agents(plan: AgentPlan, air_port: int) -> None:
    stop = stop_on_signals()
    clock = plan.timebase.clock()
    async with adapter(air_port) as radio:
        shared = Shared(clock)
        agents = [Agent(plan.config(w), clock, radio, shared=shared) for w in plan.wearers]
        await run_agents(agents, stop, Agent.drained)


def run_command(arguments: list[str], environment: dict[str, str], log: Path) -> None:
    """A `trunkline` command."""
    _log_to(log)
    os.environ.update(environment)
    main(arguments)


def _log_to(log: Path) -> None:
    """Everything that is said, of all rounds in one file."""
    stream = log.open("a", buffering=1)
    sys.stdout = sys.stderr = stream
    os.dup2(stream.fileno(), 1)
    os.dup2(stream.fileno(), 2)
    logging.basicConfig(
        level=logging.INFO, stream=stream, format="%(asctime)s %(name)s: %(message)s"
    )
    logging.getLogger("bumble").setLevel(logging.CRITICAL)
