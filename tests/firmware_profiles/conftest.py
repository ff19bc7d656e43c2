"""A scripted sensor that answers the steps of a profile."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from firmware_profiles.base import Pause, Read, Step, Subscribe, Unsubscribe, Write

T = TypeVar("T")
Steps = Generator[Step, bytes | None, T]


@dataclass
class ScriptedSensor:
    """Answers writes from a table (hex -> hex, or a list that is used up); no entry is silence.

    Reads are answered from "read <characteristic>", or from "read" where there is only one.
    """

    answers: Mapping[str, str | list[str]]
    writes: list[str] = field(default_factory=list)
    subscribed: dict[str, str] = field(default_factory=dict)

    def run(self, steps: Steps[T]) -> T:
        """Carry all steps out; the generator's return value."""
        try:
            step = next(steps)
            while True:
                try:
                    answer = self._do(step)
                except TimeoutError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result

    def _do(self, step: Step) -> bytes | None:
        match step:
            case Subscribe():
                self.subscribed[step.characteristic] = step.via.value
            case Unsubscribe():
                del self.subscribed[step.characteristic]
            case Read():
                named = f"read {step.characteristic}"
                return bytes.fromhex(self._answer(named if named in self.answers else "read"))
            case Pause():
                assert step.seconds < 5
            case Write():
                return self._write(step)
        return None

    def _write(self, step: Write) -> bytes | None:
        self.writes.append(step.data.hex())
        if step.reply is None:
            return None
        assert step.reply_on in self.subscribed, "nobody listens for the reply"
        reply = bytes.fromhex(self._answer(step.data.hex()))
        assert step.reply(reply), "the reply is not recognised"
        assert not step.reply(b""), "anything is taken for the reply"
        return reply

    def _answer(self, key: str) -> str:
        if key not in self.answers:
            raise TimeoutError
        answer = self.answers[key]
        return answer if isinstance(answer, str) else answer.pop(0)


@pytest.fixture
def scripted() -> type[ScriptedSensor]:
    """scripted(answers).run(profile.configure(...))"""
    return ScriptedSensor
