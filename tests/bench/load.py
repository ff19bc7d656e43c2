"""How many wearers one machine carries: N simulated wearers at 50 Hz, loopback only.

    python -m tests.bench.load --store embedded --steps 50,100,200 --svg docs/images/load.svg

Real mosquitto, `trunkline ingest` and `trunkline worker` as processes of their own, and for
`--store influx` a real influxd 1.x. Every step runs N wearers who send one batch a second each and
measures: `commit`, from a batch's last sample to the commit that tells the agent; `result`, the age
of the oldest sample whose results are not in the store yet; the processor time of every process. It
stops at the first step whose 95th percentile is above the limit: the knee lies between the last
two. `--profile` runs ingest and worker under cProfile and prints where their time goes.
"""

from __future__ import annotations

import argparse
import json
import pstats
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import paho.mqtt.client as mqtt
import psutil
from paho.mqtt.enums import CallbackAPIVersion

from analytics.store.clinic import Clinic
from tests.bench.batches import SECOND_NS, one_second
from tests.bench.load_chart import chart
from tests.servers import Influx, Mosquitto, influxd, mosquitto, stop
from trunkline.synthetic.wearer import simulate
from wire.codec import encode
from wire.ids import new_session
from wire.messages import Birth

LIMIT_S = 2.0
MAX_WEARERS = 5000
RATE_HZ = 50
PATH = "/usr/sbin:/usr/bin:/usr/local/bin"
WARM_UP_S = 8.0
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Step:
    """What one number of wearers cost."""

    wearers: int
    commit_p95_s: float
    result_p95_s: float
    cpu: dict[str, float]
    """process -> cores used"""
    sent_bytes_per_s: float

    @property
    def kept(self) -> bool:
        return max(self.commit_p95_s, self.result_p95_s) <= LIMIT_S


class Generator:
    """N wearers in this process: everybody's batch at an own moment of every second."""

    def __init__(self, server: Mosquitto, count: int, first: int) -> None:
        self.names = [f"l{first + n:05}" for n in range(count)]
        self.session = new_session()
        self.latencies: list[float] = []
        self.sent_bytes = 0
        self._sent_at: dict[tuple[str, int], float] = {}
        self._done: dict[str, int] = dict.fromkeys(self.names, -1)
        self._stop = threading.Event()
        day = simulate(120.0, rate_hz=RATE_HZ, placement="T12", seed=3, story="demo")
        scaled = np.hstack([day.accel / 0.0024, day.gyro / 0.0012])
        self._counts = np.round(scaled).astype(np.int16)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        secret = server.password_file("server").read_text().strip()
        self._client.username_pw_set("server", secret)
        self._client.max_inflight_messages_set(1000)
        self._client.on_message = self._on_commit
        self._client.connect("127.0.0.1", server.port)
        self._client.subscribe("trunkline/v1/+/+/committed", qos=0)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _run(self) -> None:
        begun, begun_ns = time.monotonic(), time.time_ns()
        count = len(self.names)
        for number in range(10**9):
            second, which = divmod(number, count)
            due = begun + second + which / count
            if (wait := due - time.monotonic()) > 0:
                self._stop.wait(wait)
            if self._stop.is_set():
                return
            # Stamps are on a grid: batches follow each other without gap or overlap.
            due_ns = begun_ns + second * SECOND_NS + which * SECOND_NS // count
            self._send(self.names[which], second, due_ns)

    def _send(self, name: str, second: int, due_ns: int) -> None:
        """The second before `due_ns`."""
        at = second % 119 * RATE_HZ
        counts = self._counts[at : at + RATE_HZ]
        batch = one_second(counts, self.session, second, due_ns - SECOND_NS)
        payload = encode(batch)
        self.sent_bytes += len(payload)
        self._sent_at[name, second] = due_ns / SECOND_NS
        self._client.publish(f"trunkline/v1/{name}/trunk/imu", payload, qos=1)

    def _on_commit(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        name, told = message.topic.split("/")[2], json.loads(message.payload)
        if told["session"] != self.session:
            return
        for seq in range(self._done[name] + 1, told["seq"] + 1):
            self.latencies.append(time.time() - self._sent_at.pop((name, seq)))
        self._done[name] = max(self._done[name], told["seq"])

    def waiting(self) -> list[float]:
        """Ages of what is not committed: it counts, or a stand-still would look fast."""
        now = time.time()
        return [now - at for at in list(self._sent_at.values())]


def register(folder: Path, generator: Generator) -> None:
    """What the clinic knows of these wearers."""
    clinic = Clinic(folder / "clinic.db")
    with clinic.transaction():
        for name in generator.names:
            clinic.add_wearer(name, "UTC")
            birth = Birth(generator.session, "test", "T12", float(RATE_HZ), ["accel", "gyro"])
            clinic.record_birth(name, "trunk", birth)
    clinic.close()


@contextmanager
def role(name: str, words: list[str], profile: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    """`trunkline ...` as a process of its own; profile: cProfile's file."""
    how = ["-m", "trunkline"] if profile is None else ["-m", "cProfile", "-o", str(profile)]
    how = how if profile is None else [*how, "-m", "trunkline"]
    process = subprocess.Popen(
        [sys.executable, *how, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
        assert process.poll() is None, f"{name} ended with {process.returncode}"
    finally:
        stop(process)


def run_step(
    folder: Path, server: Mosquitto, count: int, seconds: float, processes: dict[str, int]
) -> Step:
    generator = Generator(server, count, first=int(time.time()) % 10_000 * 5)
    register(folder, generator)
    clinic = Clinic(folder / "clinic.db")
    ages: list[float] = []
    generator.start()
    try:
        time.sleep(WARM_UP_S)
        generator.latencies.clear()
        sent, began = generator.sent_bytes, time.monotonic()
        cpu = {name: _cpu_s(pid) for name, pid in processes.items()}
        while time.monotonic() - began < seconds:
            outstanding = clinic.arrivals(limit=1)
            # Ages beyond the run itself are of an earlier step.
            ages.append(time.time() - outstanding[0].end_ns / SECOND_NS if outstanding else 0.0)
            time.sleep(POLL_S)
        took = time.monotonic() - began
        used = {name: (_cpu_s(pid) - cpu[name]) / took for name, pid in processes.items()}
        commits = [*generator.latencies, *generator.waiting()]
        sent_per_s = (generator.sent_bytes - sent) / took
    finally:
        generator.close()
    _drain(clinic)
    clinic.close()
    return Step(
        count, float(np.percentile(commits, 95)), float(np.percentile(ages, 95)), used, sent_per_s
    )


def _drain(clinic: Clinic) -> None:
    """Let the next step begin with empty queues."""
    deadline = time.monotonic() + 60
    while clinic.arrivals(limit=1) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    clinic.clear_arrivals([item.id for item in clinic.arrivals(limit=10**6)])


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load", description=__doc__)
    parser.add_argument("--store", choices=["embedded", "influx"], default="embedded")
    parser.add_argument("--steps", default="25,50,100,200,400,800")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each step, 60 at most")
    parser.add_argument("--shards", type=int, default=1, help="workers that divide the wearers")
    parser.add_argument("--svg", type=Path, help="draw what was measured")
    parser.add_argument("--json", type=Path, help="add what was measured to this file")
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    chosen = parser.parse_args()
    counts = [min(int(word), MAX_WEARERS) for word in chosen.steps.split(",")]
    steps = list(
        measure(chosen.store, counts, min(chosen.seconds, 60), chosen.shards, chosen.profile)
    )
    kept = [step.wearers for step in steps if step.kept]
    print(f"knee: {max(kept, default=0)} wearers kept p95 <= {LIMIT_S:g} s")
    told = json.loads(chosen.json.read_text()) if chosen.json and chosen.json.exists() else {}
    told[chosen.store] = [asdict(step) for step in steps]
    if chosen.json:
        chosen.json.write_text(json.dumps(told, indent=1))
    if chosen.svg:
        chosen.svg.write_text(chart(told))
    return 0


def measure(
    kind: str, counts: list[int], seconds: float, shards: int, profile: bool
) -> Iterator[Step]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        binary = shutil.which("mosquitto", path=PATH)
        assert binary, "apt install mosquitto"
        server = stack.enter_context(mosquitto(Path(binary), folder / "broker", ("nobody",)))
        words = ["--data-dir", str(folder / "data")]
        processes = {"mosquitto": server.process.pid if server.process else 0}
        if kind == "influx":
            found = shutil.which("influxd", path=PATH)
            assert found, "apt install influxdb"
            influx: Influx = stack.enter_context(influxd(Path(found), folder / "influx"))
            (folder / "influx.password").write_text(influx.password)
            words += ["--store", "influx", "--influx-url", influx.url]
            words += ["--influx-user", influx.user]
            words += ["--influx-password-file", str(folder / "influx.password")]
            processes["influxd"] = influx.process.pid if influx.process else 0
        secret = str(server.password_file("server"))
        broker = ["--broker", f"127.0.0.1:{server.port}", "--user", "server"]
        broker += ["--password-file", secret]
        profiles = {}
        roles = {"ingest": ["ingest", *broker, *words]}
        for number in range(1, shards + 1):
            roles[f"worker {number}"] = ["worker", "--shard", f"{number}/{shards}", *words]
        Clinic(folder / "data" / "clinic.db").close()
        with ExitStack() as running:
            for role_name, arguments in roles.items():
                profiles[role_name] = folder / f"{role_name}.prof" if profile else None
                process = running.enter_context(role(role_name, arguments, profiles[role_name]))
                processes[role_name] = process.pid
            time.sleep(WARM_UP_S)
            for count in counts:
                step = run_step(folder / "data", server, count, seconds, processes)
                used = ", ".join(f"{key} {value:.2f}" for key, value in step.cpu.items())
                print(
                    f"{kind} {count:5} wearers: commit p95 {step.commit_p95_s:6.2f} s, result p95 "
                    f"{step.result_p95_s:6.2f} s; cores: {used}; "
                    f"{step.sent_bytes_per_s / count:.0f} bytes/s each",
                    flush=True,
                )
                yield step
                if not step.kept:
                    break
        for role_name, path in profiles.items():
            if path is not None:
                print(f"--- {role_name}")
                pstats.Stats(str(path)).sort_stats("tottime").print_stats(12)


if __name__ == "__main__":
    sys.exit(main())
