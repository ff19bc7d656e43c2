"""All processes of the way from sensor to result, each of which can be killed and started again."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from analytics.store.base import Store
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import InfluxStore
from tests.chaos.air import SensorPlan, Timebase, Truth, run_air
from tests.chaos.roles import AgentPlan, run_agent_process, run_command
from tests.servers import PATIENCE_S, Influx, Mosquitto


def context() -> Any:
    """Processes forked from a server that has imported everything once."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["tests.chaos.roles"])
    return made


@dataclass
class Air:
    """The process of the virtual sensors."""

    process: BaseProcess
    pipe: Connection
    port: int

    def ask(self, what: str, number: int) -> Any:
        self.pipe.send((what, number))
        assert self.pipe.poll(PATIENCE_S), "the virtual sensors do not answer"
        return self.pipe.recv()

    def truth(self, number: int) -> Truth:
        found = self.ask("truth", number)
        assert isinstance(found, Truth)
        return found


@contextmanager
def air(plans: tuple[SensorPlan, ...], timebase: Timebase, hours: float) -> Iterator[Air]:
    """Virtual sensors with recordings of `hours`."""
    ours, theirs = multiprocessing.Pipe()
    process = context().Process(target=run_air, args=(plans, timebase, hours, theirs), daemon=True)
    process.start()
    try:
        assert ours.poll(PATIENCE_S), "the virtual sensors did not start"
        yield Air(process, ours, ours.recv())
        ours.send("end")
        process.join(PATIENCE_S)
    finally:
        process.kill()
        process.join()


@dataclass
class Stack:
    """Agent, ingest, worker around a broker and a store; `start` and `kill` by name."""

    broker: Mosquitto
    influx: Influx | None
    agent: AgentPlan
    air: Air
    folder: Path
    log: list[str] = field(default_factory=list)
    """What was done, for the message of a failure."""
    _running: dict[str, BaseProcess] = field(default_factory=dict)

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def names(self) -> list[str]:
        return ["agent", "broker", "ingest", "worker", *(["influxd"] if self.influx else [])]

    def start(self, name: str) -> None:
        match name:
            case "broker":
                self.broker.start()
                return
            case "influxd":
                assert self.influx is not None
                self.influx.start()
                return
            case "agent":
                target: Any = run_agent_process
                arguments: tuple[Any, ...] = (self.agent, self.air.port, self._log("agent"))
            case _:
                target = run_command
                arguments = ([name], self._environment(), self._log(name))
        process = context().Process(target=target, args=arguments, daemon=True)
        process.start()
        self._running[name] = process

    def kill(self, name: str, *, wipe: bool = False) -> None:
        """SIGKILL; `wipe`: with all that a broker had on disk."""
        match name:
            case "broker":
                self.broker.kill(wipe=wipe)
            case "influxd":
                assert self.influx is not None
                self.influx.kill()
            case _:
                process = self._running.pop(name)
                assert process.is_alive(), f"{name} had ended by itself: {self.said(name)}"
                process.kill()
                process.join()

    def stop(self, name: str, timeout_s: float = 2 * PATIENCE_S) -> None:
        """SIGTERM, and it ends in order."""
        process = self._running.pop(name)
        process.terminate()
        process.join(timeout_s)
        if process.is_alive():
            process.kill()
            raise AssertionError(f"{name} did not stop in {timeout_s:g} s: {self.said(name)}")
        assert process.exitcode == 0, f"{name} ended with {process.exitcode}: {self.said(name)}"

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
            process.join()

    def pid(self, name: str) -> int:
        """Process id of agent, ingest or worker."""
        pid = self._running[name].pid
        assert pid is not None
        return pid

    def said(self, name: str) -> str:
        """The last lines of a process."""
        path = self._log(name)
        return path.read_text()[-3000:] if path.exists() else "(nothing)"

    def store(self) -> Store:
        if self.influx is None:
            return EmbeddedStore(self.data_dir / "samples.db")
        influx = self.influx
        return InfluxStore(influx.url, influx.database, user=influx.user, password=influx.password)

    def clinic(self) -> Clinic:
        return Clinic(self.data_dir / "clinic.db")

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _environment(self) -> dict[str, str]:
        values = {
            "TRUNKLINE_DATA_DIR": str(self.data_dir),
            "TRUNKLINE_BROKER": f"127.0.0.1:{self.broker.port}",
            "TRUNKLINE_USER": "server",
            "TRUNKLINE_PASSWORD_FILE": str(self.broker.password_file("server")),
        }
        if self.influx is not None:
            password = self.folder / "influx.password"
            password.write_text(self.influx.password)
            values |= {
                "TRUNKLINE_STORE": "influx",
                "TRUNKLINE_INFLUX_URL": self.influx.url,
                "TRUNKLINE_INFLUX_DATABASE": self.influx.database,
                "TRUNKLINE_INFLUX_USER": self.influx.user,
                "TRUNKLINE_INFLUX_PASSWORD_FILE": str(password),
            }
        return values


@contextmanager
def stack(  # noqa: PLR0917
    folder: Path,
    broker: Mosquitto,
    influx: Influx | None,
    wearers: Mapping[str, Mapping[str, SensorPlan]],
    speed: float,
    hours: float = 1.0,
    slow_s: float = 0.0,
) -> Iterator[Stack]:
    """Everything but ingest, worker and agent runs; the wearers are registered."""
    timebase = Timebase(speed, time.monotonic_ns(), time.time_ns(), slow_s)
    sensors = {wearer: dict(plans) for wearer, plans in wearers.items()}
    secrets = {wearer: broker.password_file(wearer) for wearer in wearers}
    plan = AgentPlan(sensors, secrets, broker.port, folder, timebase)
    in_order = tuple(p for plans in sensors.values() for p in plans.values())
    with air(in_order, timebase, hours) as sky:
        made = Stack(broker, influx, plan, sky, folder)
        clinic = made.clinic()
        for wearer in wearers:
            clinic.add_wearer(wearer, "Europe/Berlin")
        clinic.close()
        try:
            yield made
        finally:
            made.close()


def rounds(made: Stack, count: int, seed: int) -> None:
    """Kill one or two processes at random moments, `count` times, and start them again."""
    chance = random.Random(seed)
    for number in range(count):
        time.sleep(chance.uniform(0.1, 1.1))
        victims = chance.sample(made.names(), chance.choice((1, 1, 2)))
        wipe = chance.random() < 0.5
        made.log.append(f"{number}: kill {victims}{' wiped' * (wipe and 'broker' in victims)}")
        for victim in victims:
            made.kill(victim, wipe=wipe)
        time.sleep(chance.uniform(0.0, 0.4))
        for victim in victims:
            made.start(victim)
