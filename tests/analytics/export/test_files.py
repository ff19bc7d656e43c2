"""Folders appear whole or not at all; times are exact in text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.export.files import ExportError, Format, iso_text, staged, table_writer

EXPORT = ("dictionary.json", "provenance.json")


def fill(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(name)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_folder_appears_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    with staged(target, force=False) as stage:
        fill(stage, "a")
        assert not target.exists()
    assert names(target) == {"a"}
    assert names(target.parent) == {"out"}


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with staged(tmp_path / "out", force=False) as stage:
            fill(stage, "a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert names(tmp_path) == set()


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with staged(tmp_path / "out", force=False) as stage:
        fill(stage, "a")
    assert names(tmp_path / "out") == {"a"}


def refused(target: Path, force: bool) -> str:
    with pytest.raises(ExportError) as caught, staged(target, force=force):
        pytest.fail("was let in")
    return str(caught.value)


def test_what_is_there_is_kept_unless_it_is_an_export_and_force_is_given(tmp_path: Path) -> None:
    target = tmp_path / "out"
    fill(target, *EXPORT, "old")
    assert "--force" in refused(target, force=False)
    with staged(target, force=True) as stage:
        fill(stage, "new")
        assert names(target) == {*EXPORT, "old"}
    assert names(target) == {"new"}
    assert names(tmp_path) == {"out"}
    assert "not an export" in refused(target, force=True)
    assert names(target) == {"new"}


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    fill(tmp_path, "out")
    assert "is a file" in refused(tmp_path / "out", force=True)
    assert "choose another folder" in refused(tmp_path / "out" / "below", force=False)


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
    with table_writer(tmp_path / "x.csv", table.schema, Format.CSV) as writer:
        writer.write_table(table)
    assert pa.csv.read_csv(
        tmp_path / "x.csv", convert_options=pa.csv.ConvertOptions(strings_can_be_null=True)
    ).to_pydict() == {"kind": ["plain", 'a,"b"', None], "n": [1, None, 3]}
