"""Identifiers: what may travel and what may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from wire import ids


@pytest.mark.parametrize("good", ["w", "demo", "p-017", "0" * 32])
def test_pseudonyms_that_may_travel(good: str) -> None:
    assert ids.check_wearer(good) == good
    assert ids.check_sensor(good) == good


@pytest.mark.parametrize(
    "bad", ["", "Anna", "a b", "a/b", "+", "#", "-a", "a-", "a" * 33, "ä", "a\n", "C4:F1:01:02"]
)
def test_what_must_not_travel_is_refused_with_a_reason(bad: str) -> None:
    with pytest.raises(ids.IdError, match="not valid"):
        ids.check_wearer(bad)
    with pytest.raises(ids.IdError, match="not valid"):
        ids.check_sensor(bad)


def test_the_words_of_the_scheme_are_reserved() -> None:
    with pytest.raises(ids.IdError):
        ids.check_wearer("server")
    for word in ("agent", "mark", "state", "alert"):
        with pytest.raises(ids.IdError):
            ids.check_sensor(word)


@given(st.binary(min_size=16, max_size=16))
def test_session_bytes_and_text_are_inverse(raw: bytes) -> None:
    assert ids.session_bytes(ids.session_text(raw)) == raw


def test_sessions_are_unique_and_checked() -> None:
    assert ids.new_session() != ids.new_session()
    with pytest.raises(ids.IdError):
        ids.session_bytes("not a ulid")
    with pytest.raises(ids.IdError):
        ids.session_text(b"short")


def test_a_session_sorts_behind_the_one_before_whatever_the_clock_says() -> None:
    future = str(ULID.from_timestamp(4e9))
    assert future < (second := ids.new_session(after=future)) < ids.new_session(after=second)
    assert ids.new_session(after=str(ULID.from_timestamp(1e9))) < future
