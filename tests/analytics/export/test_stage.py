"""Folders appear whole or not at all and survive a kill; times are exact in text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.export.errors import ExportError
from analytics.export.piece import Written
from analytics.export.stage import Stage, differences, staged
from analytics.export.tables import iso_text
from analytics.export.tabular import CsvWriter

EXPORT = ("manifest.json", "provenance.json")
REQUEST = {"what": "this"}


def fill(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(name)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def put(stage: Stage, piece: str) -> None:
    fill(stage.folder, piece)
    stage.finish(piece, [Written(piece)])


def test_the_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with staged(target, REQUEST, force=False) as stage:
        put(stage, "a")
        assert not target.exists()
    assert names(target) == {"a", "manifest.json"}
    assert names(target.parent) == {"out"}
    assert differences(target) == []
    (target / "a").write_text("other")
    assert differences(target) == ["a has changed"]
    (target / "a").unlink()
    assert differences(target) == ["a is missing"]


def break_off(target: Path, *pieces: str, half: str = "half") -> None:
    def run() -> None:
        with staged(target, REQUEST, force=False) as stage:
            for piece in pieces:
                put(stage, piece)
            fill(stage.folder, half)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()


def test_what_was_finished_is_found_again_and_what_was_half_done_goes(tmp_path: Path) -> None:
    break_off(tmp_path / "out", "a", "b")
    with (tmp_path / ".out.part/.journal").open("a") as journal:
        journal.write('{"piece": "torn", "files": [')
    (tmp_path / ".out.part/b").write_text("longer than it was")
    with staged(tmp_path / "out", REQUEST, force=False) as stage:
        assert (stage.has("a"), stage.has("b"), stage.has("torn")) == (True, False, False)
        put(stage, "b")
    assert names(tmp_path / "out") == {"a", "b", "manifest.json"}


def test_another_request_finds_nothing(tmp_path: Path) -> None:
    break_off(tmp_path / "out", "a")
    with staged(tmp_path / "out", {"what": "else"}, force=False) as stage:
        assert not stage.has("a")
    assert names(tmp_path / "out") == {"manifest.json"}


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with staged(tmp_path / "out", REQUEST, force=False) as stage:
        put(stage, "a")
    assert names(tmp_path / "out") == {"a", "manifest.json"}


def refused(target: Path, force: bool) -> str:
    with pytest.raises(ExportError) as caught, staged(target, REQUEST, force=force):
        pytest.fail("was let in")
    return str(caught.value)


def test_two_runs_do_not_fill_the_same_folder(tmp_path: Path) -> None:
    with staged(tmp_path / "out", REQUEST, force=False):
        assert "is running" in refused(tmp_path / "out", force=False)


def test_what_is_there_is_kept_unless_it_is_an_export_and_force_is_given(tmp_path: Path) -> None:
    target = tmp_path / "out"
    fill(target, *EXPORT, "old")
    assert "--force" in refused(target, force=False)
    with staged(target, REQUEST, force=True) as stage:
        put(stage, "new")
        assert names(target) == {*EXPORT, "old"}
    assert names(target) == {"new", "manifest.json"}
    assert names(tmp_path) == {"out"}
    assert "not an export" in refused(target, force=True)
    assert names(target) == {"new", "manifest.json"}


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "out")
    assert "is a file" in refused(tmp_path / "out", force=True)
    assert "check the disk" in refused(tmp_path / "out" / "below", force=False)


@given(st.lists(st.integers(0, 2**62), max_size=20))
def test_iso_text_is_exact(times: list[int]) -> None:
    kind = pa.timestamp("ns", tz="UTC")
    texts = iso_text(pa.array(times, kind)).to_pylist()
    assert [int(np.datetime64(text.removesuffix("Z"), "ns").astype(int)) for text in texts] == times
    assert all(len(text) == 30 and text[10] == "T" for text in texts)


def test_iso_text_keeps_what_is_missing() -> None:
    kind = pa.timestamp("ns", tz="UTC")
    assert iso_text(pa.array([None, 1], kind)).to_pylist() == [
        None,
        "1970-01-01T00:00:00.000000001Z",
    ]


def test_text_with_separators_is_quoted(tmp_path: Path) -> None:
    table = pa.table({"kind": ["plain", 'a,"b"', None], "n": pa.array([1, None, 3], pa.int32())})
    with (tmp_path / "x.csv").open("wb") as file:
        CsvWriter(file, table.schema).write_table(table)
    assert pa.csv.read_csv(
        tmp_path / "x.csv", convert_options=pa.csv.ConvertOptions(strings_can_be_null=True)
    ).to_pydict() == {"kind": ["plain", 'a,"b"', None], "n": [1, None, 3]}
