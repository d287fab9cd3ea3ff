"""Names of territories and languages in two languages: "South Africa" → "Afrique du Sud".

Origin: the display names of Unicode's Common Locale Data Repository (CLDR), as the package Babel ships them. A few
hundred names, so a model can learn them by heart but cannot generalise from them: they are for pictures of how words
change places, not for accuracies. Nobody has marked which word translates which, so pairs have no links.
"""

from collections.abc import Sequence

from attn_core.lab.data.cldr import locale_of
from attn_core.lab.data.pairs import Pair

KINDS = ("territories", "languages", "scripts")


def names(source: str = "en", target: str = "fr", kinds: Sequence[str] = ("territories", "languages")) -> list[Pair]:
    """Every name that both languages have, as words, in the order of their codes; equal pairs stand once.

    Names with brackets or commas are left out. Unknown languages or kinds raise ValueError.

    >>> pair = next(pair for pair in names() if pair.source == ("South", "Africa"))
    >>> pair.target
    ('Afrique', 'du', 'Sud')
    """
    strange = [kind for kind in kinds if kind not in KINDS]
    if strange:
        raise ValueError(f"names: there are no {strange[0]!r}; choose among {', '.join(KINDS)}.")
    here, there = locale_of("names", source), locale_of("names", target)
    found: dict[Pair, None] = {}  # a set that keeps the order
    for kind in kinds:
        ours, theirs = getattr(here, kind), getattr(there, kind)
        for code in sorted(ours.keys() & theirs.keys()):
            if not any(sign in ours[code] + theirs[code] for sign in "(),（）"):
                found[Pair(tuple(ours[code].split()), tuple(theirs[code].split()))] = None
    return list(found)
