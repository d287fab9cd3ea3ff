"""Data that teaches: real text from tables on this machine, or synthetic text whose truth is known; never a download.

    dates      dates as people write them in a dozen languages, and the ISO date: long, endless, alignment known
    names      names of territories and languages in two languages: words that change places
    reports    facts with repeats among noise, and every fact once: repetition and omission can be counted

These are lists of `Pair`, the same for the same arguments and seed. A `Vocabulary` numbers their symbols, `batches`
pads them into tensors with their lengths. Two tasks come as tensors at once, drawn from a torch generator:

    lookups    a query names two items at once, and the answer is what they hold
    repeated   a block of random words again and again: who finds the place where a word stood before knows the next one
"""

from attn_core.lab.data.batches import Batch, batches, make_batch
from attn_core.lab.data.dates import LOCALES, dates
from attn_core.lab.data.lookups import Lookups, lookups
from attn_core.lab.data.names import names
from attn_core.lab.data.pairs import Pair, symbols
from attn_core.lab.data.repeated import Repeated, repeated
from attn_core.lab.data.reports import reports
from attn_core.lab.data.vocabulary import END, PAD, START, Vocabulary

__all__ = [
    "END",
    "LOCALES",
    "PAD",
    "START",
    "Batch",
    "Lookups",
    "Pair",
    "Repeated",
    "Vocabulary",
    "batches",
    "dates",
    "lookups",
    "make_batch",
    "names",
    "repeated",
    "reports",
    "symbols",
]
