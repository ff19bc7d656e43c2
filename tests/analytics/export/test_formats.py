"""The registry, and the documents that show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from analytics.export import table_of_formats
from analytics.export.errors import ExportError
from analytics.export.formats import FORMATS, PARTS, named, options_of, planner

DOCS = Path(__file__).parents[3] / "docs"


def test_the_document_shows_the_registry() -> None:
    text = (DOCS / "export.md").read_text(encoding="utf-8")
    shown = text.partition("<!-- formats -->\n")[2].partition("<!-- /formats -->")[0]
    assert shown == table_of_formats.markdown(), "run: python -m analytics.export.table_of_formats"


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_every_format_can_be_planned(form: object) -> None:
    assert callable(planner(named(form.name)))  # type: ignore[attr-defined]


def test_names_are_distinct_and_parts_known() -> None:
    assert len({form.name for form in FORMATS}) == len(FORMATS)
    assert all(form.holds and set(form.holds) <= set(PARTS) for form in FORMATS)


def test_a_wrong_name_or_option_is_told() -> None:
    with pytest.raises(ExportError, match="use one of parquet"):
        named("xls")
    with pytest.raises(ExportError, match="csv has no option"):
        options_of(named("csv"), {"compression": "zstd"})
    with pytest.raises(ExportError, match="letters"):
        options_of(named("motion-bids"), {"task": "../up"})
    fine = {"rate_hz": "full", "resolution": "second"}
    assert options_of(named("parquet"), {}) == {"compression": "zstd", **fine}
    with pytest.raises(ExportError, match="fhir has no option 'resolution'"):
        options_of(named("fhir"), {"resolution": "hour"})
