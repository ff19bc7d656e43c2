"""The table of formats in docs/export.md: `python -m analytics.export.table_of_formats`."""

from __future__ import annotations

import sys

from analytics.export.formats import FORMATS


def markdown() -> str:
    """One row a format."""
    lines = [
        "| Format | What it is | Holds | Files | Read with | Options |",
        "|---|---|---|---|---|---|",
    ]
    for form in FORMATS:
        options = "; ".join(
            f"`{option.name}`: {option.meaning}"
            + (f" ({', '.join(option.choices)})" if option.choices else "")
            + (f", default `{option.default}`" if option.default else "")
            for option in form.options
        )
        extra = ", *extra*" if form.extra else ""
        lines.append(
            f"| `{form.name}` | {form.title}{extra} | {', '.join(form.holds)} | {form.files} | "
            f"{form.read_with} | {options} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
