"""All parameters of one computation, their hash, and overrides from a mapping."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from analytics.detect.dips import DipParameters
from analytics.detect.excursions import ExcursionParameters
from analytics.detect.gait import GaitParameters
from analytics.detect.guided_parameters import GuidedParameters
from analytics.detect.limbs import LimbParameters
from analytics.detect.lying import LyingParameters
from analytics.detect.posture_parameters import PostureParameters
from analytics.detect.pulses import PulseParameters
from analytics.detect.quiet import QuietParameters
from analytics.detect.respiration import RespirationParameters
from analytics.detect.rhythm import RhythmParameters
from analytics.detect.slouch import SlouchParameters
from analytics.detect.steps import StepParameters
from analytics.detect.strides import StrideParameters
from analytics.detect.sway import SwayParameters
from analytics.detect.walking import WalkingParameters
from analytics.signal.grid import GridParameters
from analytics.signal.mounting import MountingParameters
from analytics.signal.neutral import NeutralParameters
from analytics.signal.wear import WearParameters

ALGORITHM_VERSION: Final = "12"
"""Counts up whenever the same samples and parameters give other results."""


class ParameterError(ValueError):
    """Overrides that do not fit; one sentence of what is wrong."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """One frozen dataclass per detector."""

    grid: GridParameters = field(default_factory=GridParameters)
    wear: WearParameters = field(default_factory=WearParameters)
    mounting: MountingParameters = field(default_factory=MountingParameters)
    guided: GuidedParameters = field(default_factory=GuidedParameters)
    neutral: NeutralParameters = field(default_factory=NeutralParameters)
    lying: LyingParameters = field(default_factory=LyingParameters)
    pulses: PulseParameters = field(default_factory=PulseParameters)
    dips: DipParameters = field(default_factory=DipParameters)
    excursions: ExcursionParameters = field(default_factory=ExcursionParameters)
    rhythm: RhythmParameters = field(default_factory=RhythmParameters)
    posture: PostureParameters = field(default_factory=PostureParameters)
    slouch: SlouchParameters = field(default_factory=SlouchParameters)
    steps: StepParameters = field(default_factory=StepParameters)
    walking: WalkingParameters = field(default_factory=WalkingParameters)
    strides: StrideParameters = field(default_factory=StrideParameters)
    gait: GaitParameters = field(default_factory=GaitParameters)
    quiet: QuietParameters = field(default_factory=QuietParameters)
    respiration: RespirationParameters = field(default_factory=RespirationParameters)
    limbs: LimbParameters = field(default_factory=LimbParameters)
    sway: SwayParameters = field(default_factory=SwayParameters)

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """{detector: {name: value}}, strict JSON."""
        return dataclasses.asdict(self)

    def hash(self) -> str:
        """Twelve hex digits that name this set of values."""
        text = json.dumps(self.to_dict(), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def override(self, changes: Mapping[str, Mapping[str, Any]]) -> Self:
        """The same with `{detector: {name: value}}` changed; raises ParameterError."""
        out = self
        for group, values in changes.items():
            if group not in {f.name for f in dataclasses.fields(self)}:
                raise ParameterError(f"there are no parameters called {str(group)[:40]!r}")
            if not isinstance(values, Mapping):
                raise ParameterError(f"parameters of {group} must be an object of names and values")
            current = getattr(out, group)
            known = {f.name: getattr(current, f.name) for f in dataclasses.fields(current)}
            for name, value in values.items():
                if name not in known:
                    raise ParameterError(f"{group} has no parameter {str(name)[:40]!r}")
                if isinstance(value, bool) or not isinstance(value, (int, float)):
                    raise ParameterError(f"{group}.{name} must be a number")
                if isinstance(known[name], int) and not float(value).is_integer():
                    raise ParameterError(f"{group}.{name} must be a whole number")
                known[name] = type(known[name])(value)
            out = dataclasses.replace(out, **{group: type(current)(**known)})
        return out
