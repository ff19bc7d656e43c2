"""Names by a key, moved dates, small groups."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.export.bundle import anonymity, warnings
from analytics.export.errors import ExportError
from analytics.export.pseudonym import WEEK_NS, Naming, naming, read_key
from analytics.export.subject import SensorAbout, Subject
from wire.ids import check_wearer

KEY = bytes(range(32))
ONE = Subject("w", "w", 0, 86_400 * 10**9, ZoneInfo("UTC"), lambda *_: [])


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True))
def test_a_name_is_a_valid_id_and_depends_on_key_and_wearer(wearer: str) -> None:
    name = Naming(KEY).name(wearer)
    assert check_wearer(name) == name == Naming(KEY).name(wearer)
    assert name not in {Naming(KEY[::-1]).name(wearer), Naming(KEY).name(f"{wearer}0"), wearer}


def test_the_name_is_what_it_was() -> None:
    """Whoever has an older export must find the same people in the next."""
    assert Naming(KEY, shift_dates=True).name("w1") == "sxnbyo3pkp3wb"
    assert Naming(KEY, shift_dates=True).shift_ns("w1") // WEEK_NS == -25


def test_dates_move_by_whole_weeks_into_the_past() -> None:
    weeks = {Naming(KEY, shift_dates=True).shift_ns(f"w{n}") / WEEK_NS for n in range(500)}
    assert weeks <= set(range(-52, 0))
    assert len(weeks) > 40
    assert Naming(KEY).shift_ns("w1") == Naming(None, shift_dates=True).shift_ns("w1") == 0


def test_a_given_name_is_for_one_wearer() -> None:
    given = naming(["w1"], key=None, pseudonym="subject-7", shift_dates=False)
    assert given.name("w1") == "subject-7"
    for wearers, name in ((["w1", "w2"], "x"), (["w1"], "Jane Doe")):
        with pytest.raises(ExportError):
            naming(wearers, key=None, pseudonym=name, shift_dates=False)


def test_the_key_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(KEY + b"\n")
    assert read_key(tmp_path / "key") == KEY
    assert "key" not in repr(Naming(KEY)).lower()


def test_the_rarest_combination_counts() -> None:
    worn = (SensorAbout("back", "movesense", "T12"),)
    assert warnings([ONE]) == []  # the clinic's own, under the clinic's name
    people = [replace(ONE, sensors=worn)] * 6 + [replace(ONE, zone=ZoneInfo("Asia/Tokyo"))]
    assert anonymity(people) == 1
    assert "k = 1 of 5" in warnings(people)[0]
    assert warnings(people[:6]) == []
    later = [replace(ONE, start_ns=n) for n in range(6)]
    assert anonymity(later) == 1
    assert anonymity([replace(x, shift_ns=-WEEK_NS) for x in later]) == 6
