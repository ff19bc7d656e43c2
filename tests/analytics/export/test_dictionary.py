"""The dictionary is complete and the document is up to date."""

from __future__ import annotations

from pathlib import Path

from analytics.export import dictionary
from analytics.exposure.observable import MOVEMENTS

DOCUMENT = Path(__file__).parents[3] / "docs" / "data-dictionary.md"


def test_the_document_is_made_of_the_dictionary() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == dictionary.markdown(), (
        "run: python -m analytics.export.dictionary > docs/data-dictionary.md"
    )


def test_every_column_is_explained() -> None:
    for table in dictionary.TABLES:
        names = [column.name for column in table.columns]
        assert len(set(names)) == len(names) > 0
        for column in table.columns:
            assert column.type in dictionary.ARROW_TYPES
            assert column.meaning
            assert column.missing
            assert "|" not in column.meaning + column.missing
            if column.type in {"float32", "int32", "timestamp"}:
                assert column.unit, f"{table.name}.{column.name} has no unit"


def test_every_kind_of_movement_is_counted_by_day() -> None:
    days = {column.name for column in dictionary.DAYS.columns}
    assert {f"{kind}_count" for kind in MOVEMENTS} <= days
