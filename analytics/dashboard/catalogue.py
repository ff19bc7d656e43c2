"""Brings the catalogues up to date with the source: `python -m analytics.dashboard.catalogue`.

Run it after a text was added or changed. New texts come in without a translation (English is
shown then), texts that are gone are dropped, translations that are there stay.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract, extract_from_dir
from babel.messages.pofile import read_po, write_po

from analytics.dashboard.language import FOLDER, LANGUAGES

SOURCE: Final = Path(__file__).parent
SPOKEN_ELSEWHERE: Final = (SOURCE.parent / "exposure" / "association" / "words.py",)
"""Files without a page that say sentences, marked by `say` and `marked`."""
_METHODS: Final = [("**.py", "python"), ("**/templates/**.html", "jinja2.ext.babel_extract")]
_KEYWORDS: Final = {"_": None, "gettext": None, "ngettext": (1, 2), "lazy": None, "marked": None}


def texts() -> Catalog:
    """Every text of the source, without translations."""
    found = Catalog()
    for _, _, message, comments, context in extract_from_dir(
        SOURCE, _METHODS, {"**/templates/**.html": {"trimmed": "true"}}, keywords=_KEYWORDS
    ):
        found.add(message, auto_comments=comments, context=context)
    for path in SPOKEN_ELSEWHERE:
        with path.open("rb") as file:
            for _, message, _, _ in extract("python", file, {"say": None, "marked": None}):
                found.add(message)
    return found


def renewed(language: str) -> str:
    """The .po file of a language as it should be, its translations kept."""
    path = FOLDER / f"{language}.po"
    kept = Catalog(locale=language)
    if path.is_file():
        with path.open("rb") as file:
            kept = read_po(file, language)
    fresh = Catalog(locale=language)
    for message in texts():
        if message.id:
            old = kept.get(message.id, message.context)
            fresh.add(message.id, "" if old is None else old.string, context=message.context)
    out = io.BytesIO()
    write_po(out, fresh, width=96, no_location=True, omit_header=True, sort_output=True)
    head = [
        f"# {LANGUAGES[language]}",
        'msgid ""',
        'msgstr ""',
        '"Content-Type: text/plain; charset=utf-8\\n"',
        f'"Language: {language}\\n"',
        f'"Plural-Forms: {fresh.plural_forms}\\n"',
    ]
    return "\n".join(head) + "\n\n" + out.getvalue().decode()


def main() -> None:
    """Write the catalogues."""
    FOLDER.mkdir(exist_ok=True)
    for language in list(LANGUAGES)[1:]:
        (FOLDER / f"{language}.po").write_text(renewed(language))


if __name__ == "__main__":
    main()
