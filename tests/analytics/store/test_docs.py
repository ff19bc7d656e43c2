"""docs/storage.md names every table, column, measurement and people command."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import click
import pytest

from analytics.store.base import Provenance, Result
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import _batch_line, _result_line
from tests.analytics.store.samples import batch, stored
from trunkline.commands.user import command as user
from trunkline.commands.wearer import command as wearer

TEXT = (Path(__file__).parents[3] / "docs" / "storage.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", [Clinic, EmbeddedStore])
def test_every_table_and_column(kind: type[Clinic | EmbeddedStore], tmp_path: Path) -> None:
    section = TEXT.partition("## `clinic.db`" if kind is Clinic else "## `samples.db`")[2]
    section = section.partition("\n## ")[0]
    kind(tmp_path / "x.db").close()
    connection = sqlite3.connect(tmp_path / "x.db")
    tables = [
        row[0]
        for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if not row[0].startswith(("sqlite_", "alembic_"))
    ]
    assert tables
    for table in tables:
        line = re.search(rf"^\| `{table}` \|.*$", section, re.MULTILINE)
        assert line, f"docs/storage.md does not explain {table}"
        for column in connection.execute(f"PRAGMA table_info({table})"):
            assert f"`{column[1]}`" in line[0], f"{table}.{column[1]} is not explained"
    connection.close()


def test_every_field_of_influx() -> None:
    section = TEXT.partition("## InfluxDB")[2]
    (item,) = stored("w", batch(0))
    result = Result("sway", 0, 1, {})
    for line in (_batch_line(item), _result_line("w", "sway", [result], Provenance("1", "p"))):
        for name in re.findall(r"[ ,](\w+)=", line):
            assert f"`{name}`" in section, f"{name} is not explained"


def test_every_people_command() -> None:
    for name, group in (("wearer", wearer), ("user", user)):
        assert isinstance(group, click.Group)
        for sub in group.commands:
            assert f"trunkline {name} {sub}" in TEXT
