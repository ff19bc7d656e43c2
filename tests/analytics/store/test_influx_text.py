"""Line protocol and CSV, without a server."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.store import influx_text
from analytics.store.influx_text import csv_blocks, field, parse_samples, quote, sample_lines, tag
from tests.analytics.store.samples import SESSION, batch, stored
from wire.batch import Batch, Channel

HEADER = b"name,tags,time,accel_x,accel_y,accel_z,gyro_x\n"
ROWS = [b"imu,,%d,%d.5,,3,\n" % (i, i) for i in range(20)]
ANSWER = HEADER + b"".join(ROWS) + b"\nname,tags,name\ndatabases,,t\n"


def test_a_line_has_the_shortest_numbers_that_are_the_same() -> None:
    raw = np.array([[1, -20, 2.5], [0.1, -0.0, 3e-5]], np.float32)
    item = Batch(SESSION, 0, 0, 100, 10, 2, {"accel": Channel(raw)}, 0, 0)
    assert sample_lines(stored("w", item)).decode().splitlines() == [
        "imu,sensor=back,wearer=w accel_x=1,accel_y=-20,accel_z=2.5 100",
        "imu,sensor=back,wearer=w accel_x=0.1,accel_y=-0,accel_z=0.00003 110",
    ]


def test_batches_of_different_quantities_and_wearers() -> None:
    items = [
        *stored("a", batch(0, 2, quantities=("accel",))),
        *stored("b", batch(0, 1, quantities=("gyro", "accel"))),
        *stored("c", batch(5, 1, quantities=("accel",)), sensor="thigh"),
    ]
    lines = sample_lines(items).decode().splitlines()
    assert [line.split()[0] for line in lines] == [
        "imu,sensor=back,wearer=a",
        "imu,sensor=back,wearer=a",
        "imu,sensor=thigh,wearer=c",
        "imu,sensor=back,wearer=b",
    ]
    assert [line.count("=") for line in lines] == [5, 5, 5, 8]


@pytest.mark.parametrize("size", [1, 2, 7, 45, 46, 47, 64, 10_000])
def test_blocks_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(influx_text, "BLOCK_BYTES", size)
    blocks = list(csv_blocks(io.BytesIO(ANSWER)))
    samples = [parse_samples(c, rows) for c, rows in blocks if "time" in c]
    assert np.concatenate([s.t_ns for s in samples]).tolist() == list(range(20))
    accel = np.concatenate([s.values["accel"] for s in samples])
    assert accel[:, 0].tolist() == [i + 0.5 for i in range(20)]
    assert np.isnan(accel[:, 1]).all()
    assert blocks[-1][0] == ("name", "tags", "name")
    assert blocks[-1][1].strip() == b"databases,,t"


def test_answers_without_rows() -> None:
    assert list(csv_blocks(io.BytesIO(b""))) == []
    only = list(csv_blocks(io.BytesIO(b"name,tags,name\ndatabases,,t\n")))
    assert [columns for columns, _ in only] == [("name", "tags", "name")]
    assert list(csv_blocks(io.BytesIO(HEADER))) == []


@given(st.text())
def test_quoted_text_ends_where_it_ends(text: str) -> None:
    for quoted, mark in ((quote(text), "'"), (field(text), '"')):
        inner = quoted[1:-1].replace("\\\\", "").replace("\\" + mark, "")
        assert quoted[0] == quoted[-1] == mark
        assert mark not in inner
        assert not inner.endswith("\\")


def test_tags_are_escaped() -> None:
    assert tag("a b,c=d\\") == "a\\ b\\,c\\=d\\\\"
