"""The data dictionary: one declarative list of every exported table and column.

Schemas of the files, `dictionary.json` in every export and docs/data-dictionary.md are made of it.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import pyarrow as pa

from analytics.exposure.observable import MOVEMENTS as MOVEMENT_KINDS
from analytics.exposure.timeline import POSTURES

VERSION: Final = "trunkline-export/2"
"""Changes when a column changes its name, type or meaning."""

_INTRODUCTION: Final = f"""# Data dictionary

The tables that `trunkline export` writes; [export](export.md) says which format puts them where.
Every export carries this text for its own tables in `dictionary.json`, and in `manifest.json` which
file holds which table. Version: `{VERSION}`.

- A row belongs to the exported range when it *begins* in it (from inclusive, to exclusive).
- Times are UTC. Parquet: `timestamp[ns, UTC]`. CSV: ISO 8601 with nine decimals, for example
  `2026-03-02T06:00:00.020000000Z`. With `--shift-dates` every time and date of a subject is moved
  by the same number of whole weeks.
- Missing is null in Parquet and an empty cell in CSV. It is never zero. In HDF5 it is NaN for
  float32, -1 for bool, the lowest number for int32 and timestamp, and the empty text for string.
- CSV is UTF-8 with a header line, `,` between cells, `true` and `false`, and the shortest decimal
  text that gives the same float32 again.
- Types: timestamp, date, float32, int32, bool, string. In Parquet the unit and the meaning stand
  in the metadata of every column as well.

Made from `analytics/export/dictionary.py`: `python -m analytics.export.dictionary`.
"""

ARROW_TYPES: Final[Mapping[str, pa.DataType]] = {
    "timestamp": pa.timestamp("ns", tz="UTC"),
    "date": pa.date32(),
    "float32": pa.float32(),
    "int32": pa.int32(),
    "bool": pa.bool_(),
    "string": pa.string(),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `missing` says what an empty cell means."""

    name: str
    type: str
    unit: str
    meaning: str
    missing: str = "never"


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of rows in an export."""

    name: str
    row: str
    """What one row is."""
    columns: tuple[Column, ...]

    def schema(self) -> pa.Schema:
        """Arrow schema, the unit and meaning of every column in its field metadata."""
        return pa.schema(
            [
                pa.field(
                    column.name,
                    ARROW_TYPES[column.type],
                    metadata={"unit": column.unit, "meaning": column.meaning},
                )
                for column in self.columns
            ]
        )

    def column(self, name: str) -> Column:
        """One column by its name."""
        return next(column for column in self.columns if column.name == name)

    def only(self, names: set[str]) -> Table:
        """The same table with some of its columns."""
        return Table(self.name, self.row, tuple(c for c in self.columns if c.name in names))


_MEASURED = {
    "accel": ("m/s2", "specific force including gravity (9.81 at rest)"),
    "gyro": ("rad/s", "angular rate"),
    "mag": ("uT", "magnetic flux density; the columns are there only if the sensor has any"),
}


def _axes(quantity: str) -> tuple[Column, ...]:
    unit, meaning = _MEASURED[quantity]
    return tuple(
        Column(
            f"{quantity}_{axis}",
            "float32",
            unit,
            f"{meaning}, {axis} axis of the sensor",
            "no sample of this quantity at this time",
        )
        for axis in "xyz"
    )


_START = Column("start_utc", "timestamp", "ns since 1970-01-01 UTC", "beginning")
_END = Column("end_utc", "timestamp", "ns since 1970-01-01 UTC", "end")
_CONFIDENCE = Column(
    "confidence", "float32", "0..1", "how sure the detector is", "no confidence was computed"
)
_UNKNOWN = "not known: not worn, no data, or not observable at this placement"

RAW: Final = Table(
    "raw",
    "one sample of one sensor, strictly increasing in time; gaps have no rows",
    (
        Column("time_utc", "timestamp", "ns since 1970-01-01 UTC", "when the sample was taken"),
        *_axes("accel"),
        *_axes("gyro"),
        *_axes("mag"),
    ),
)
TIMELINE: Final = Table(
    "timeline",
    "one second that was analysed; seconds without any result have no row",
    (
        Column("time_utc", "timestamp", "ns since 1970-01-01 UTC", "beginning of the second"),
        Column(
            "posture",
            "string",
            "",
            "sitting, standing, walking, lying_supine, lying_prone, lying_left, lying_right, "
            "unknown or not_worn",
            "no data in this second",
        ),
        Column("probability", "float32", "0..1", "probability of that posture", _UNKNOWN),
        Column(
            "trunk_flexion_deg",
            "float32",
            "degree",
            "forward tilt of the sensor's segment against the wearer's upright; negative is back",
            _UNKNOWN,
        ),
        Column(
            "trunk_lateral_deg",
            "float32",
            "degree",
            "sideways tilt against the wearer's upright; positive is to the wearer's right",
            _UNKNOWN,
        ),
        Column(
            "slouched",
            "bool",
            "",
            "tilt beyond the slouch threshold while sitting, without any rule on duration",
            _UNKNOWN,
        ),
        Column("worn", "bool", "", "the sensor was worn", "no data in this second"),
    ),
)
MOVEMENTS: Final = Table(
    "movements",
    "one transition or movement",
    (
        Column(
            "kind",
            "string",
            "",
            "sit_to_stand, stand_to_sit, sit_to_lie, lie_to_sit, stand_to_lie, lie_to_stand, "
            "bed_roll, squat, lateral_bend, trunk_rotation or forward_bend",
        ),
        _START,
        _END,
        Column(
            "direction",
            "string",
            "",
            "left or right, seen from the wearer",
            "this kind has no side, or the side is not known",
        ),
        Column(
            "peak_deg",
            "float32",
            "degree",
            "largest angle of the movement",
            "not measured for this kind",
        ),
        Column(
            "peak_deg_s",
            "float32",
            "degree/s",
            "largest speed of turning in the movement",
            "results of algorithm 1",
        ),
        _CONFIDENCE,
    ),
)
SLOUCH_EPISODES: Final = Table(
    "slouch_episodes",
    "one time of slouched sitting that lasted at least the wearer's minimum",
    (
        _START,
        _END,
        Column(
            "told_as",
            "string",
            "",
            "slouch, or flexed_trunk where a lean from the hips cannot be told apart",
            "not computed",
        ),
        Column("mean_deg", "float32", "degree", "mean flexion against upright", _UNKNOWN),
        Column(
            "mean_range_pct",
            "float32",
            "%",
            "mean flexion within the personal range: 0 sitting tall, 100 the deepest slouch",
            "no range was shown in a guided calibration",
        ),
        Column(
            "dose",
            "float32",
            "minute",
            "leaky sum of slouched minutes at the end of the episode (creep and recovery)",
            "not computed",
        ),
        Column(
            "minutes",
            "float32",
            "minute",
            "minutes beyond the slouch threshold inside the episode",
            "not computed",
        ),
        Column(
            "minutes_low",
            "float32",
            "minute",
            "slouched minutes if the threshold were 3 degrees higher",
            "not computed",
        ),
        Column(
            "minutes_high",
            "float32",
            "minute",
            "slouched minutes if the threshold were 3 degrees lower",
            "not computed",
        ),
    ),
)
WALKING_BOUTS: Final = Table(
    "walking_bouts",
    "one walk without a longer break",
    (
        _START,
        _END,
        Column("step_count", "int32", "steps", "steps that were found", "steps not observable"),
        Column("cadence_spm", "float32", "steps/min", "cadence", "too few steps"),
        Column(
            "step_length_m",
            "float32",
            "m",
            "mean step length; a trend only, unless calibrated by a known walk",
            "no steady walking in it",
        ),
        Column(
            "step_length_calibrated",
            "bool",
            "",
            "a known walk stands behind length and speed",
            "no steady walking in it",
        ),
        Column("walking_speed_mps", "float32", "m/s", "mean speed", "not computed"),
        Column(
            "step_time_asymmetry_pct",
            "float32",
            "%",
            "difference of the mean left and right step times over their mean",
            "too few steps",
        ),
        Column(
            "step_regularity",
            "float32",
            "0..1",
            "autocorrelation of the vertical acceleration at one step",
            "too few steps",
        ),
        Column(
            "prolonged", "bool", "", "with it a walk without a rest passes the own limit", "unknown"
        ),
    ),
)
RESPIRATION: Final = Table(
    "respiration",
    "quiet breathing, at most a minute of it",
    (
        _START,
        _END,
        Column("breaths_per_min", "float32", "1/min", "mean rate"),
        _CONFIDENCE,
        Column("posture", "string", "", "the wearer's posture, as in timeline", "not known"),
    ),
)
SWAY: Final = Table(
    "sway",
    "half a minute of quiet standing",
    (
        _START,
        _END,
        Column("rms_deg", "float32", "degree", "RMS of the trunk's tilt about its mean"),
        Column("rms_forward_deg", "float32", "degree", "its forward part", "forward is not known"),
        Column("rms_lateral_deg", "float32", "degree", "its lateral part", "forward is not known"),
        Column("path_deg", "float32", "degree", "length of the way of the tilt"),
        Column("frequency_hz", "float32", "Hz", "frequency of circling that makes that way"),
    ),
)
EXTRA_SENSORS: Final = Table(
    "extra_sensors",
    "one figure of the walking of a local day, from a sensor at a thigh, a wrist or the pelvis",
    (
        _START,
        _END,
        Column("kind", "string", "", "the figure; docs/gait.md, Extra sensors"),
        Column("unit", "string", "", "degree, % or 1 (a share)"),
        Column("value", "float32", "see unit", "mean over strides"),
        Column("low", "float32", "see unit", "lower end of its 95 % interval"),
        Column("high", "float32", "see unit", "upper end of its 95 % interval"),
        Column("strides", "int32", "strides", "how many it rests on"),
    ),
)
STEPS: Final = Table(
    "steps",
    "one step of a walking bout",
    (
        Column("time_utc", "timestamp", "ns since 1970-01-01 UTC", "foot contact"),
        Column(
            "bout_start_utc",
            "timestamp",
            "ns since 1970-01-01 UTC",
            "start_utc of its walking bout",
        ),
    ),
)
SYMPTOMS: Final = Table(
    "symptoms",
    "one entry of the symptom diary",
    (
        Column("time_utc", "timestamp", "ns since 1970-01-01 UTC", "when it was felt"),
        Column("symptom", "string", "", "pain, numbness or paraesthesia"),
        Column(
            "site",
            "string",
            "",
            "lumbosacral, iliac_crest, groin or other",
            "the wearer did not say",
        ),
        Column("side", "string", "", "left, right or both", "the wearer did not say"),
        Column("severity", "int32", "0..10", "how strong", "the wearer did not say"),
        Column("entered_utc", "timestamp", "ns since 1970-01-01 UTC", "when it was written down"),
        Column("source", "string", "", "mark (the wearer's side), dashboard, cli or recording"),
    ),
)

_NOT_WORN = "not worn or no data on this day, or not observable at this placement"
DAYS: Final = Table(
    "days",
    "one local day of the wearer that lies wholly inside the exported range",
    (
        Column("date", "date", "", "calendar day where the wearer lives"),
        _START,
        _END,
        Column(
            "worn_min",
            "float32",
            "minute",
            "time the sensor was worn",
            "no data at all on this day",
        ),
        *(
            Column(f"{word}_min", "float32", "minute", f"worn time with posture {word}", _NOT_WORN)
            for word in POSTURES
            if word != "not_worn"
        ),
        Column(
            "slouch_known_min",
            "float32",
            "minute",
            "worn time in which slouching could be told: the denominator of slouched_min",
            _NOT_WORN,
        ),
        Column("slouched_min", "float32", "minute", "slouched time", _NOT_WORN),
        Column(
            "slouched_min_low",
            "float32",
            "minute",
            "the same, threshold 3 degrees higher",
            _NOT_WORN,
        ),
        Column(
            "slouched_min_high",
            "float32",
            "minute",
            "the same, threshold 3 degrees lower",
            _NOT_WORN,
        ),
        Column("slouch_episodes", "int32", "episodes", "slouch episodes begun", _NOT_WORN),
        Column(
            "longest_sitting_min",
            "float32",
            "minute",
            "longest sitting without a break of a minute or more",
            _NOT_WORN,
        ),
        Column("walking_bouts", "int32", "bouts", "walking bouts begun", _NOT_WORN),
        Column(
            "prolonged_bouts",
            "int32",
            "walks",
            "walks without a rest beyond the own limit",
            _NOT_WORN,
        ),
        *(
            Column(f"{kind}_count", "int32", "movements", f"movements of kind {kind}", _NOT_WORN)
            for kind in MOVEMENT_KINDS
        ),
    ),
)
HOURS: Final = Table(
    "hours",
    "one hour of such a day, with `resolution=hour`; hours without any data have no row",
    (
        _START,
        _END,
        *(c for c in DAYS.columns[3:] if c.name != "longest_sitting_min"),
    ),
)
MINUTES: Final = Table(
    "minutes",
    "one minute (UTC) of the timeline, with `resolution=minute`; minutes without any result have"
    " no row",
    (
        Column("time_utc", "timestamp", "ns since 1970-01-01 UTC", "beginning of the minute"),
        Column("posture", "string", "", "the posture of most of its seconds", _UNKNOWN),
        Column(
            "trunk_flexion_deg",
            "float32",
            "degree",
            "mean of the known seconds, forward positive",
            _UNKNOWN,
        ),
        Column("worn_s", "int32", "second", "seconds worn"),
        Column("slouched_s", "int32", "second", "seconds slouched"),
        Column(
            "slouch_known_s",
            "int32",
            "second",
            "seconds in which slouching could be told: the denominator of slouched_s",
        ),
    ),
)
RAW_MEANS: Final = Table(
    "raw_means",
    "mean of the samples of one sensor in a piece of 1/`rate_hz` s, with `rate_hz`; pieces without"
    " samples have no row",
    (
        Column("time_utc", "timestamp", "ns since 1970-01-01 UTC", "beginning of the piece"),
        Column("samples", "int32", "samples", "how many the mean is of"),
        *RAW.columns[1:],
    ),
)
RESULTS: Final = (
    TIMELINE,
    MOVEMENTS,
    SLOUCH_EPISODES,
    WALKING_BOUTS,
    STEPS,
    RESPIRATION,
    SWAY,
    EXTRA_SENSORS,
    SYMPTOMS,
    DAYS,
)
TABLES: Final = (RAW, RAW_MEANS, TIMELINE, MINUTES, HOURS, *RESULTS[1:])
_BY_TIME: Final[Mapping[str, tuple[Table, ...]]] = {
    "second": (TIMELINE,),
    "minute": (MINUTES,),
    "hour": (HOURS,),
    "day": (),
}
RESOLUTIONS: Final = tuple(_BY_TIME)
"""How finely results tell of the time; events and days are there in each."""


def results_at(resolution: str) -> tuple[Table, ...]:
    """The result tables of an export with this of RESOLUTIONS."""
    return (*_BY_TIME[resolution], *RESULTS[1:])


def means_of(quantities: Iterable[str]) -> Table:
    """The columns of RAW_MEANS for a sensor that measures these."""
    axes = {f"{name}_{axis}" for name in quantities for axis in "xyz"}
    return RAW_MEANS.only({"time_utc", "samples"} | axes)


def raw_of(quantities: Iterable[str]) -> Table:
    """The columns of RAW for a sensor that measures these."""
    return RAW.only({"time_utc"} | {f"{name}_{axis}" for name in quantities for axis in "xyz"})


def quantities_in(columns: Iterable[str]) -> set[str]:
    """Which quantities these columns of RAW are of."""
    return {name.partition("_")[0] for name in columns} - {"time", "samples"}


def named(names: Collection[str]) -> list[Table]:
    """Tables by their names, in the order of TABLES."""
    return [table for table in TABLES if table.name in names]


def as_json(tables: Iterable[Table]) -> dict[str, Any]:
    """The dictionary of one export; which file holds which table stands in its manifest."""
    return {
        "version": VERSION,
        "tables": {
            table.name: {"row": table.row, "columns": [asdict(column) for column in table.columns]}
            for table in tables
        },
    }


def markdown() -> str:
    """The text of docs/data-dictionary.md."""
    lines = [_INTRODUCTION]
    for table in TABLES:
        lines += [f"## `{table.name}`", "", f"One row is {table.row}.", ""]
        lines += ["| Column | Type | Unit | Meaning | Empty means |", "|---|---|---|---|---|"]
        lines += [
            f"| `{c.name}` | {c.type} | {c.unit} | {c.meaning} | {c.missing} |"
            for c in table.columns
        ]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(markdown())
