"""The accuracy figures are the scorer's own: merged groups give what the scorer gives for all."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from analytics.offline import analyse
from analytics.recording import read_recording
from tests.corpus.failures import failures, index
from tests.corpus.left_out import NUMBERS, chosen, rows
from tests.corpus.reliability import cells, seconds, section
from tests.corpus.scoring import load_scorer
from tests.corpus.targets import TARGETS, Scored, Target, merged, score_one

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


def test_failures_are_listed_worst_first_and_escaped() -> None:
    target = Target("a <figure>", "Set", 0.9, lambda items: items[0].group, digits=2)
    values = {"one": 0.95, "two": 0.5, "three": 0.2, "four": None, "five": 0.7}
    items = [
        Scored({"set": "Set", "recording_id": name}, value, Counter({"squat": 2}))
        for name, value in values.items()
    ]
    found = list(failures(target, [*items, Scored({"set": "Other"}, 0.0, Counter())], 2))
    assert [f.recording for f in found] == ["Set/three", "Set/two"]
    page = index(found)
    assert "a &lt;figure&gt;" in page
    assert "found 2 squat" in page
    assert 'href="Set_three.html"' in page


def test_probability_is_compared_where_truth_and_result_tell_a_posture() -> None:
    truth = {"set": "Set", "posture": [[0.0, 6.0, "sitting"], [6.0, 12.0, "walking"]]}
    timeline = {
        "time_s": [i + 0.5 for i in range(12)],
        "posture": ["sitting"] * 3 + ["standing", "unknown"] + ["sitting"] * 7,
        "probability": [0.95] * 3 + [0.55, 0.4] + [0.95] * 7,
    }
    told = list(seconds(truth, {"timeline": timeline}))
    assert told == [(0.95, True), (0.95, True), (0.55, False)]
    assert cells(told) == ["1: 0.00", "–", "–", "2: 1.00", "–"]
    page = section([(truth, {"timeline": timeline}), (truth, None)])
    assert "| Set | 1: 0.00 | – | – | 2: 1.00 | – |" in page


def test_the_set_left_out_has_no_say_in_what_is_chosen() -> None:
    errors = {
        1.0: {"one": 10, "two": 10, "three": 40},
        2.0: {"one": 5, "two": 9, "three": 80},
        3.0: {"one": 5, "two": 9, "three": 10},
    }
    assert chosen(errors, "three", 1.0) == 2.0, "as good as 3, and nearer"
    assert chosen(errors, "one", 1.0) == 3.0
    assert chosen(dict.fromkeys(errors, errors[1.0]), "one", 1.0) == 1.0


def test_every_number_has_the_shipped_value_in_its_grid() -> None:
    for number in NUMBERS:
        assert number.shipped in number.grid
        errors = {value: dict.fromkeys(number.sets, 3) for value in number.grid}
        lines = rows(number, errors)
        assert len(lines) == len(number.sets)
        assert all(f"{number.shipped:g} | 3 | 3 | 3 |" in line for line in lines)
