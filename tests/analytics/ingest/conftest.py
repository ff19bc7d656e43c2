"""A clinic with two wearers and an embedded store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics.store.clinic import FILE_NAME as CLINIC_FILE
from analytics.store.clinic import Clinic
from analytics.store.embedded import FILE_NAME as SAMPLES_FILE
from analytics.store.embedded import EmbeddedStore


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def clinic(data_dir: Path) -> Iterator[Clinic]:
    opened = Clinic(data_dir / CLINIC_FILE)
    opened.add_wearer("w1", "Europe/Berlin")
    opened.add_wearer("w2", "UTC")
    yield opened
    opened.close()


@pytest.fixture
def store(data_dir: Path) -> Iterator[EmbeddedStore]:
    opened = EmbeddedStore(data_dir / SAMPLES_FILE)
    yield opened
    opened.close()
