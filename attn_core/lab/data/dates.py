"""Dates as people write them, and the ISO date: "giovedì 5 agosto 1993" → "1993-08-05".

Origin: the date patterns and the names of months and weekdays are those of Unicode's Common Locale Data Repository
(CLDR), as the package Babel ships them; the dates themselves are drawn at random. So the text is real, there is no
end to it, and the order of day, month and year differs between languages.

The alignment is known, because the pattern says which characters are the year, the month and the day: every digit of
the ISO date is linked to all characters of its field. Weekdays, commas and "de" carry nothing; nor have hyphens a link.
"""

import random
import re
from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any, cast

from attn_core.lab.data.cldr import locale_of
from attn_core.lab.data.pairs import Pair

LOCALES = ("de", "en", "es", "fi", "fr", "hu", "it", "nl", "pl", "pt", "sv", "tr")
STYLES = ("full", "long", "medium")  # "short" writes two digits of the year in some languages
SEPARATOR = "; "  # between the dates of one source; ";" between those of the target

_FIELDS = {"y": slice(0, 4), "M": slice(5, 7), "L": slice(5, 7), "d": slice(8, 10)}  # where the ISO date has them
_FIRST, _LAST = date(1900, 1, 1).toordinal(), date(2099, 12, 31).toordinal()


def dates(
    count: int,
    seed: int = 0,
    dates_each: int | tuple[int, int] = 1,
    locales: Sequence[str] = LOCALES,
    styles: Sequence[str] = STYLES,
) -> list[Pair]:
    """`count` pairs of characters: dates from 1900 to 2099 in a random language and style, and in ISO 8601.

    With `dates_each` = 3, or a range such as (1, 4), both bounds included, a source names several dates, which makes
    it long without making it harder to read. Unknown locales or styles, and less than one date, raise ValueError.

    >>> pair = dates(1, seed=1, locales=["it"], styles=["full"])[0]
    >>> "".join(pair.source), "".join(pair.target)
    ('venerdì 25 agosto 1922', '1922-08-25')
    """
    low, high = (dates_each, dates_each) if isinstance(dates_each, int) else dates_each
    if not 1 <= low <= high:
        raise ValueError(f"dates: dates_each is {dates_each}, but it must be 1 or more, or (fewest, most) of that.")
    generator = random.Random(seed)
    drawn = []
    for _ in range(count):
        parts = [
            _written(
                date.fromordinal(generator.randint(_FIRST, _LAST)), generator.choice(locales), generator.choice(styles)
            )
            for _ in range(generator.randint(low, high))
        ]
        drawn.append(_joined(parts))
    return drawn


def _joined(parts: Sequence[Pair]) -> Pair:
    source, target, links = "", "", set()
    for part in parts:
        source += SEPARATOR if source else ""
        target += SEPARATOR.strip() if target else ""
        links |= {(row + len(target), column + len(source)) for row, column in part.links}
        source, target = source + "".join(part.source), target + "".join(part.target)
    return Pair(tuple(source), tuple(target), frozenset(links))


def _written(day: date, locale: str, style: str) -> Pair:
    from babel.dates import DateTimeFormat

    target, text, links = day.isoformat(), "", set()
    values = DateTimeFormat(day, locale_of("dates", locale))
    for literal, name in _pattern(locale, style):
        text += literal
        if name:
            value = values[name]
            field = range(10)[_FIELDS.get(name[0], slice(0))]
            links |= {(row, len(text) + column) for row in field for column in range(len(value))}
            text += value
    return Pair(tuple(text), tuple(target), frozenset(links))


@cache
def _pattern(locale: str, style: str) -> list[tuple[str, str]]:
    """The CLDR pattern as literal text, each piece with the field that follows it ("EEEE", "d", "MMMM", "y" or "")."""
    from babel.dates import get_date_format

    if style not in STYLES:
        raise ValueError(f"dates: there is no style {style!r}; choose among {', '.join(STYLES)}.")
    # Babel's type lists the styles, as STYLES does
    pattern = get_date_format(cast(Any, style), locale_of("dates", locale))
    pieces = re.split(r"%\((\w+)\)s", str(pattern.format))
    return [
        (literal.replace("%%", "%"), field) for literal, field in zip(pieces[::2], [*pieces[1::2], ""], strict=True)
    ]
