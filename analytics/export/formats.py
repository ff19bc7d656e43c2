"""The registry of export formats: command line, researcher page and docs all read it.

Cheap to import: the module that writes a format, and the libraries it needs, are imported when an
export begins.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from analytics.export.errors import ExportError

if TYPE_CHECKING:
    from analytics.export.piece import Piece
    from analytics.export.source import Source

RAW: Final = "raw"
RESULTS: Final = "results"
PARTS: Final = (RAW, RESULTS)
"""What an export can be asked for: samples, and what was computed from them or felt."""

Options = Mapping[str, str]
Planner = Callable[["Source", Options], Sequence["Piece"]]
"""Says which pieces a format writes for a source."""


@dataclass(frozen=True, slots=True)
class FormatOption:
    """A choice that only one format has."""

    name: str
    default: str
    meaning: str
    choices: tuple[str, ...] = ()
    """Empty: any text of letters and digits."""


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """One format; `module` has a function `plan`, a `Planner`."""

    name: str
    title: str
    holds: tuple[str, ...]
    """Of PARTS."""
    files: str
    """What lies in the folder, for people."""
    read_with: str
    module: str
    extra: bool = False
    """Whether it needs the libraries of the extra `research`."""
    options: tuple[FormatOption, ...] = ()


_HOW_FINE: Final = (
    FormatOption(
        "rate_hz",
        "full",
        "of samples: all of them, or means of 1/`rate_hz` s",
        ("full", "50", "25", "10", "5", "1"),
    ),
    FormatOption(
        "resolution",
        "second",
        "of results by time; events and days are there in each",
        ("second", "minute", "hour", "day"),
    ),
)
FORMATS: Final = (
    ExportFormat(
        "parquet",
        "Apache Parquet",
        PARTS,
        "`SUBJECT/raw_SENSOR/DATE.parquet`, `SUBJECT/TABLE.parquet`",
        "pandas, pyarrow, polars, DuckDB, R arrow",
        "tabular",
        options=(
            FormatOption("compression", "zstd", "of the columns", ("zstd", "snappy", "none")),
            *_HOW_FINE,
        ),
    ),
    ExportFormat(
        "csv",
        "comma-separated text",
        PARTS,
        "`SUBJECT/raw_SENSOR/DATE.csv`, `SUBJECT/TABLE.csv`",
        "anything",
        "tabular",
        options=_HOW_FINE,
    ),
    ExportFormat(
        "hdf5",
        "HDF5",
        PARTS,
        "`SUBJECT/DATE.h5` with groups `raw` and `results`",
        "h5py, MATLAB, Julia",
        "hdf5",
        extra=True,
    ),
    ExportFormat(
        "edf",
        "EDF+ (European Data Format)",
        (RAW,),
        "`SUBJECT/SENSOR/START.edf`, one for every stretch without a gap",
        "EDFbrowser, MNE, pyedflib, sleep laboratories",
        "edf",
        extra=True,
    ),
    ExportFormat(
        "motion-bids",
        "Motion-BIDS",
        (RAW,),
        "a BIDS dataset: `sub-SUBJECT/ses-DATE/motion/..._motion.tsv`",
        "MNE-BIDS, FieldTrip, BIDS apps",
        "motion_bids",
        options=(FormatOption("task", "dailyliving", "the label `task-` of the files"),),
    ),
    ExportFormat(
        "fhir",
        "HL7 FHIR R4 bundles",
        (RESULTS,),
        "`SUBJECT/DATE.json`, a bundle for every day; `CodeSystem-*.json`",
        "FHIR servers and libraries",
        "fhir",
        extra=True,
    ),
    ExportFormat(
        "open-mhealth",
        "IEEE 1752.1 and Open mHealth data points",
        (RESULTS,),
        "`SUBJECT/DATE.json`, an array of data points for every day",
        "JupyterHealth, Open mHealth tools",
        "open_mhealth",
    ),
    ExportFormat(
        "redcap",
        "REDCap import",
        (RESULTS,),
        "`records.csv`, a row for every day; `data_dictionary.csv`",
        "REDCap: data dictionary upload, then data import",
        "redcap",
        options=(FormatOption("event", "", "`redcap_event_name` of a longitudinal project"),),
    ),
)


def named(name: str) -> ExportFormat:
    """The format of that name; ExportError when there is none."""
    for each in FORMATS:
        if each.name == name:
            return each
    raise ExportError(
        f"there is no format {name[:40]!r}; use one of {', '.join(each.name for each in FORMATS)}"
    )


def options_of(form: ExportFormat, given: Mapping[str, str]) -> dict[str, str]:
    """Every option of the format with its value; ExportError for one that it does not have."""
    known = {option.name: option for option in form.options}
    for name, value in given.items():
        if name not in known:
            having = ", ".join(known) or "none"
            raise ExportError(f"{form.name} has no option {name[:40]!r}; it has: {having}")
        choices = known[name].choices
        if choices and value not in choices:
            raise ExportError(f"{name} of {form.name} is one of {', '.join(choices)}")
        if not choices and not (value.replace("_", "").isalnum() and value.isascii()):
            raise ExportError(f"{name} of {form.name} is made of letters, digits and _")
    return {name: given.get(name, option.default) for name, option in known.items()}


def planner(form: ExportFormat) -> Planner:
    """The function that plans this format; ExportError when its libraries are not installed."""
    try:
        module = importlib.import_module(f"analytics.export.{form.module}")
    except ImportError as error:
        if not form.extra:
            raise
        raise ExportError(
            f"{form.name} needs {error.name}, which is not installed; "
            "install it with: pip install 'trunkline[research]'"
        ) from error
    plan: Planner = module.plan
    return plan
