"""What is declared before anybody looks at the data."""

from __future__ import annotations

from dataclasses import dataclass

from analytics.signal.parameter import parameter


@dataclass(frozen=True, slots=True)
class AssociationParameters:
    """Fixed beforehand for everybody: nothing here is chosen by what comes out."""

    alpha: float = parameter(0.05, unit="1", reason="share of false alarms over the whole answer")
    other_way_share: float = parameter(
        0.2,
        unit="1",
        reason="of alpha, kept for less pain with more exposure; triggers are declared to hurt",
    )
    permutations: int = parameter(
        10_000, unit="1", reason="shifts that are tried; all there are when those are fewer"
    )
    reverse_permutations: int = parameter(
        1_000, unit="1", reason="the reverse direction decides nothing"
    )
    segment_days: int = parameter(
        45, unit="d", reason="shifts stay inside segments at least this long, see docs"
    )
    min_days: int = parameter(
        21, unit="d", reason="with fewer days a shift test can hardly reach 5 %"
    )
    min_worn_h: float = parameter(
        4.0, unit="h", reason="a day with less wear says nothing about the day"
    )
    window_h: float = parameter(2.0, unit="h", reason="the 0-2 h lag: before an entry")
    min_window_worn_min: float = parameter(
        60.0, unit="min", reason="half of the two hours before an entry"
    )
    previous_entry_h: float = parameter(
        24.0, unit="h", reason="an older entry is no earlier pain of this one"
    )
    weekday_days: int = parameter(
        56, unit="d", reason="each weekday eight times; below it only weekend and workday differ"
    )
    medium_r: float = parameter(
        0.36, unit="1", reason="partial correlation called medium: f2 = .15", source="Cohen 1988"
    )
    power: float = parameter(
        0.80, unit="1", reason="chance to find a medium effect", source="ibid."
    )
    flare_rise: float = parameter(
        2.0,
        unit="points",
        reason="above the own median: the smallest change of pain that matters to people",
        source="Farrar 2001",
    )
    min_flares: int = parameter(8, unit="1", reason="fewer give odds without a useful interval")
    stratum_days: int = parameter(
        28,
        unit="d",
        reason="a flare is compared with the same weekday of the same four weeks",
        source="Janes 2005: time-stratified control days",
    )
