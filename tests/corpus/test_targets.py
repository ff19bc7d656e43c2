"""The accuracy figures are the scorer's own: merged groups give what the scorer gives for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from analytics.offline import analyse
from analytics.recording import read_recording
from tests.corpus.accuracy import load_scorer
from tests.corpus.targets import TARGETS, merged, score_one

NAMES = (
    "HAPT/hapt_u01_e01",
    "HAPT/hapt_u01_e02",
    "SisFall/sis_SA03_D07_01",
    "SisFall/sis_SA03_D14_01",
    "SittingPosture/sp_s01_T12_t10_upright",
    "SittingPosture/sp_s01_T12_t13_slouched",
)


def flat(value: object, name: str = "") -> dict[str, object]:
    """Nested figures by their path."""
    if not isinstance(value, dict):
        return {name: value}
    return {k: v for key, part in value.items() for k, v in flat(part, f"{name}/{key}").items()}


@pytest.mark.corpus
@pytest.mark.filterwarnings("ignore:unclosed file")  # the scorer's own reading
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_merged_groups_score_like_the_scorer(shared_dir: Path) -> None:
    corpus = shared_dir / "corpus"
    scorer = load_scorer(corpus / "score.py")
    wanted = {f"{name.split('/')[0]}": [] for name in NAMES}
    truths = {t["recording_id"]: t for t, _ in scorer.load_pairs(str(corpus / "recordings"), None)}
    for name in NAMES:
        group, recording = name.split("/")
        result = analyse(read_recording(corpus / "recordings" / f"{name}.parquet")).document()
        wanted[group].append((truths[recording], result))
    for pairs in wanted.values():
        whole = scorer.Group()
        for truth, result in pairs:
            whole.add(truth, result)
        items = [score_one(scorer, truth, result) for truth, result in pairs]
        assert flat(merged(items).result()) == pytest.approx(flat(whole.result()))


def test_no_target_is_named_twice() -> None:
    names = [(target.set, target.name) for target in TARGETS]
    assert len(set(names)) == len(names)
