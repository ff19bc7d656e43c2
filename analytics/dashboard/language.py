"""Which language and which habits of writing a page has: texts, dates, numbers.

Texts are English in the source and looked up by `gettext`; translations stand in
`translations/<language>.po` and are read as they are, so that no compiled file can be stale.
Without a request (tests, exports) everything is English.
"""

from __future__ import annotations

import io
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Final

from babel import Locale, UnknownLocaleError, dates, numbers
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, has_request_context, request
from flask_babel import Babel, Domain, LazyString, get_locale
from werkzeug.datastructures import LanguageAccept

LANGUAGES: Final = {"en": "English", "de": "Deutsch"}
"""Languages of the pages in their own words; the first is that of the source."""
HABITS: Final = {"en": "en_GB", "de": "de_DE"}
"""Where only a language is known: days before months, a clock of 24 hours."""
COOKIE: Final = "trunkline-language"
"""What a reader chose; it says nothing else."""
FOLDER: Final = Path(__file__).parent / "translations"


class _Catalogues(Domain):
    """Translations from the .po files."""

    def get_translations(self) -> NullTranslations:
        return translations(locale().language)


class _Babel(Babel):
    domain_instance = _Catalogues()


def register(app: Flask) -> None:
    """Let the app speak the languages of its readers."""
    _Babel(app, default_locale=HABITS["en"], locale_selector=_selected)
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.globals.update(
        languages=LANGUAGES,
        language=lambda: locale().language,
        clock=clock,
        short_day=short_day,
        long_day=long_day,
        weekday=weekday,
        day_range=day_range,
        moment=moment,
        number=number,
        signed=signed,
    )


@cache
def translations(language: str) -> NullTranslations:
    """The catalogue of a language; texts without a translation stay English."""
    path = FOLDER / f"{language}.po"
    if not path.is_file():
        return NullTranslations()
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, language))
    compiled.seek(0)
    return Translations(compiled)


def gettext(text: str, **values: object) -> str:
    """A text in the reader's language, `%(name)s` in it filled in."""
    found: str = translations(locale().language).ugettext(text)
    return found % values if values else found


def ngettext(one: str, many: str, n: int, **values: object) -> str:
    """The same of a text that depends on a number, which it may name as `%(num)d`."""
    found: str = translations(locale().language).ungettext(one, many, n)
    return found % {"num": n, **values}


def lazy(text: str) -> LazyString:
    """A text of a module: looked up each time it is shown. Use str() where a string is needed."""
    return LazyString(gettext, text)


def marked(text: str) -> str:
    """A text for the catalogue that is looked up later, by `gettext`."""
    return text


def locale() -> Locale:
    """The locale of this request; British English without one."""
    return (get_locale() if has_request_context() else None) or Locale.parse(HABITS["en"])


def _selected() -> str:
    return chosen(request.accept_languages, request.cookies.get(COOKIE, ""))


def chosen(accepted: LanguageAccept, wanted: str = "") -> str:
    """The locale that fits best what a browser accepts: a language of ours, its territory kept.
    A language that the reader chose (`wanted`) goes before."""
    tags = list(accepted.values())
    if wanted in LANGUAGES:
        tags = [tag for tag in tags if tag.lower().startswith(wanted)] + [wanted]
    for tag in tags:
        language, _, territory = tag.replace("_", "-").partition("-")
        language = language.lower()
        if language in LANGUAGES:
            try:
                return str(Locale(language, territory.upper() or HABITS[language][-2:]))
            except (UnknownLocaleError, ValueError):
                return HABITS[language]
    return HABITS["en"]


def clock(at: datetime) -> str:
    """ "15:04", "3:04 PM"."""
    return dates.format_time(at, "short", locale=locale())


def clock_s(at: datetime) -> str:
    """ "15:04:05", "3:04:05 PM"."""
    return dates.format_time(at, "medium", locale=locale())


def weekday(on: date) -> str:
    """ "Sun"."""
    return dates.format_date(on, "E", locale=locale())


def tick_day(on: date) -> str:
    """ "7 Jun", where there is room for no more."""
    return dates.format_skeleton("MMMd", on, locale=locale())


def short_day(on: date) -> str:
    """ "Sun 7 Jun"."""
    return dates.format_skeleton("MMMEd", on, locale=locale())


def long_day(on: date, *, weekday: bool = False) -> str:
    """ "7 June 2026", or with its weekday."""
    return dates.format_date(on, "full" if weekday else "long", locale=locale())


def day_range(first: date, last: date) -> str:
    """ "1–7 Jun 2026"."""
    return dates.format_interval(first, last, "yMMMd", locale=locale())


def moment(at: datetime) -> str:
    """ "7 Jun 2026, 15:04"."""
    return f"{dates.format_skeleton('yMMMd', at, locale=locale())}, {clock(at)}"


def number(value: float, digits: int = 0) -> str:
    """A number with a fixed count of decimals, written as the reader is used to."""
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return numbers.format_decimal(value, pattern, locale=locale())


def signed(value: float, digits: int = 1) -> str:
    """ "+1.2", "−0.7", "±0.0"."""
    text = number(abs(value), digits)
    is_zero = not any(digit in text for digit in "123456789")
    return ("±" if is_zero else "+" if value > 0 else "−") + text
