"""Keeps the processes of `trunkline up` running: starts, restarts with back-off, stops them all."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 15.0
HEALTHY_AFTER_S = 20.0
"""A child that lived this long is no crash loop: its next restart is immediate again."""
STOP_TIMEOUT_S = 8.0
"""Longer than the agent's own 5 s for telling sensors to stop."""


@dataclass(slots=True)
class Child:
    """One `trunkline` sub-command that must be running."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to our own environment."""
    once: bool = False
    """Ends by itself: exit code 0 is success and not restarted."""
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    restart_at_s: float = 0.0
    backoff_s: float = FIRST_BACKOFF_S
    done: bool = False

    def start(self, now_s: float) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "trunkline", *self.arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # greetings and progress; what matters comes on stderr
            env=os.environ | self.environment,
        )
        self.started_s = now_s


class Supervisor:
    """Runs children until `stop_requested` answers True; then SIGTERM, wait, SIGKILL."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.children = list(children)

    def run(self, stop_requested: Callable[[], bool]) -> None:
        try:
            while not stop_requested():
                self.tick(time.monotonic())
                time.sleep(0.1)
        finally:
            self.stop()

    def tick(self, now_s: float) -> None:
        """Start what should run and does not, and note what ended."""
        for child in self.children:
            if child.done:
                continue
            if child.process is None:
                if now_s >= child.restart_at_s:
                    child.start(now_s)
                continue
            code = child.process.poll()
            if code is None:
                continue
            child.process = None
            if child.once and code == 0:
                child.done = True
                continue
            if now_s - child.started_s > HEALTHY_AFTER_S:
                child.backoff_s = FIRST_BACKOFF_S
            logger.warning(
                "%s ended with code %d; starting it again in %.1f s",
                child.name,
                code,
                child.backoff_s,
            )
            child.restart_at_s = now_s + child.backoff_s
            child.backoff_s = min(2 * child.backoff_s, MAX_BACKOFF_S)

    def stop(self) -> None:
        """Stop in reverse order of the list: sources first, the broker last."""
        for child in reversed(self.children):
            process = child.process
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                logger.warning("%s did not stop in %.0f s; ending it", child.name, STOP_TIMEOUT_S)
                process.kill()
                process.wait()
            child.process = None
