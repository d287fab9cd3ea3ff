"""Babel's copy of Unicode's Common Locale Data Repository (CLDR), loaded when it is first asked for."""

from functools import cache
from typing import Any


@cache
def locale_of(function: str, name: str) -> Any:
    """The babel.Locale of this name, such as "de" or "pt_BR"; an unknown one raises ValueError in `function`'s name."""
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        raise ValueError(f'{function}: Babel knows no locale {name!r}; it is written like "de" or "pt_BR".') from None
