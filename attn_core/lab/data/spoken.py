"""Which share of a territory's people speaks a language: "Canada" → 29 % French. A dictionary with numbers to mix.

Origin: the estimates of Unicode's Common Locale Data Repository (CLDR), as the package Babel ships them. They are
rounded, of different years, and a language that CLDR does not list for a territory counts as 0 here.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attn_core.lab.data.cldr import locale_of

if TYPE_CHECKING:
    import numpy as np


def spoken(languages: Sequence[str] = ("en", "fr")) -> dict[str, tuple[float, ...]]:
    """English name of each territory → percent of its population that speaks each of the languages, by their codes.

    A language that CLDR knows nowhere raises ValueError.

    >>> spoken()["Canada"]
    (87.0, 29.0)
    """
    from babel.core import get_global

    names = locale_of("spoken", "en").territories
    shares = {names[code]: known for code, known in sorted(get_global("territory_languages").items()) if code in names}
    strange = [language for language in languages if not any(language in known for known in shares.values())]
    if strange:
        raise ValueError(f'spoken: no territory has a language {strange[0]!r}; codes are written like "en" or "sw".')
    return {
        name: tuple(float(known.get(language, {}).get("population_percent", 0.0)) for language in languages)
        for name, known in shares.items()
    }


def letter_pairs(words: Sequence[str], known: Sequence[str]) -> "np.ndarray":
    """A unit vector for each word, with a feature for every pair of neighbouring letters that occurs in `known`.

    Beginning and end of a word count as letters, so that words that are nearly the same have nearly the same vector. A
    word without any known pair gets zeros.

    >>> letter_pairs(["ab", "ab", "b"], known=["ab"]).round(2).tolist()
    [[0.58, 0.58, 0.58], [0.58, 0.58, 0.58], [1.0, 0.0, 0.0]]
    """
    import numpy as np

    features = sorted({pair for word in known for pair in _pairs(word)}, reverse=True)
    rows = np.array([[pair in _pairs(word) for pair in features] for word in words], dtype=np.float64)
    unit: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    return unit


def _pairs(word: str) -> set[str]:
    framed = f"^{word.lower()}$"
    return {framed[i : i + 2] for i in range(len(framed) - 1)}
