"""Parameters: documented, hashed, and changed only in ways that make sense."""

from __future__ import annotations

import dataclasses
import json

import pytest

from analytics.detect.findings import Findings, Timeline, join
from analytics.detect.parameters import ParameterError, Parameters


def fields() -> list[tuple[str, dataclasses.Field[object]]]:
    return [
        (f"{group.name}.{field.name}", field)
        for group in dataclasses.fields(Parameters)
        for field in dataclasses.fields(getattr(Parameters(), group.name))
    ]


@pytest.mark.parametrize(("name", "field"), fields(), ids=lambda x: x if isinstance(x, str) else "")
def test_every_parameter_has_unit_source_and_reason(
    name: str, field: dataclasses.Field[object]
) -> None:
    assert field.metadata["unit"], name
    assert len(field.metadata["reason"]) > 10, name
    assert field.metadata["source"], name


def test_parameters_are_strict_json_and_have_a_stable_hash() -> None:
    text = json.dumps(Parameters().to_dict(), allow_nan=False)
    assert Parameters().override(json.loads(text)) == Parameters()
    assert Parameters().hash() == Parameters().hash()
    assert len(Parameters().hash()) == 12


def test_a_change_changes_the_hash_and_nothing_else() -> None:
    changed = Parameters().override({"slouch": {"min_episode_min": 10}})
    assert changed.slouch.min_episode_min == 10.0
    assert changed.walking == Parameters().walking
    assert changed.hash() != Parameters().hash()


def test_parameters_cannot_be_assigned() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Parameters().slouch.band_deg = 3.0  # type: ignore[misc]


def test_booleans_are_not_numbers() -> None:
    with pytest.raises(ParameterError, match="must be a number"):
        Parameters().override({"slouch": {"band_deg": True}})


def timeline(first_s: int, n: int) -> Timeline:
    import numpy as np

    zero, nothing = np.zeros(n, np.int8), np.zeros(n, np.float32)
    return Timeline(first_s, zero, nothing, nothing, nothing, zero, zero)


def test_findings_are_cut_and_joined_at_seconds() -> None:
    whole = Findings(0, 100 * 10**9, timelines=(timeline(0, 50), timeline(70, 30)))
    low, high = whole.before(40 * 10**9), whole.since(40 * 10**9)
    assert [len(t) for t in low.timelines] == [40]
    assert [(t.first_s, len(t)) for t in high.timelines] == [(40, 10), (70, 30)]
    again = join([low, high])
    assert again is not None
    assert [(t.first_s, len(t)) for t in again.timelines] == [(0, 50), (70, 30)]
    assert (again.start_ns, again.end_ns) == (whole.start_ns, whole.end_ns)
    assert join([]) is None
