"""Data: the dates against datetime and Babel's own formatter, alignments against the text, batches by hand."""

import datetime
import itertools
import re
import subprocess
import sys

import pytest
import torch
from babel.dates import format_date

from attn_core.lab.data import END, LOCALES, PAD, START, Pair, Vocabulary, batches, dates, make_batch, names, symbols

FIELDS = {"year": range(4), "month": range(5, 7), "day": range(8, 10)}


def text(sequence):
    """The symbols as one string."""
    return "".join(sequence)


def linked(pair, rows):
    """The source characters that these target positions are linked to."""
    columns = sorted({column for row, column in pair.links if row in rows})
    return text(pair.source[column] for column in columns)


# --- dates


@pytest.mark.parametrize("style", ["full", "long", "medium"])
@pytest.mark.parametrize("locale", [*LOCALES, "el", "ru", "eu", "ja", "pt_BR"])
def test_a_date_is_written_as_babel_writes_it(locale, style):
    """The source equals Babel's own format_date of the target, in every language and style."""
    for pair in dates(20, seed=3, locales=[locale], styles=[style]):
        day = datetime.date.fromisoformat(text(pair.target))
        assert text(pair.source) == format_date(day, style, locale)


@pytest.mark.parametrize("locale", LOCALES)
def test_links_of_a_date_point_at_its_field(locale):
    """The year's digits are linked to the year, the day's to the day, the month's to its name or number."""
    for pair in dates(20, seed=5, locales=[locale]):
        day = datetime.date.fromisoformat(text(pair.target))
        assert linked(pair, FIELDS["year"]) == str(day.year)
        assert int(linked(pair, FIELDS["day"])) == day.day
        month = linked(pair, FIELDS["month"])
        known = {format_date(day, form, locale) for form in ("M", "MM", "MMM", "MMMM", "LLL", "LLLL")}
        assert month in known
        assert not {row for row, _ in pair.links} & {4, 7}, "a hyphen stands for nothing in the source"


def test_links_of_a_later_date_are_shifted():
    """With several dates in one source, each part of the target is linked to its own date."""
    pair = dates(1, seed=0, dates_each=3, locales=["it"], styles=["long"])[0]
    parts, targets = text(pair.source).split("; "), text(pair.target).split(";")
    assert len(parts) == len(targets) == 3
    for number, (part, target) in enumerate(zip(parts, targets, strict=True)):
        start = 11 * number
        assert linked(pair, range(start, start + 4)) == target[:4]
        assert re.fullmatch(r"\d+ [a-z]+ \d{4}", part)
        assert int(linked(pair, range(start + 8, start + 10))) == int(part.split()[0])


def test_dates_each_gives_every_number_in_its_range():
    """A range of numbers of dates is used to both ends."""
    counts = {text(pair.target).count(";") + 1 for pair in dates(200, dates_each=(2, 4))}
    assert counts == {2, 3, 4}


def test_dates_reach_both_centuries_and_all_languages():
    """Years come from 1900 to 2099, and nearly every draw differs."""
    drawn = dates(3000)
    years = {int(text(pair.target)[:4]) for pair in drawn}
    assert min(years) >= 1900
    assert max(years) <= 2099
    assert len(years) == 200
    assert len({pair.source for pair in drawn}) > 2950


def test_the_seed_decides():
    """The same seed gives the same dates, another one others."""
    assert dates(50, seed=1) == dates(50, seed=1)
    assert dates(50, seed=1) != dates(50, seed=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dates_each": 0}, "dates: dates_each is 0, but it must be 1 or more, or (fewest, most) of that."),
        ({"dates_each": (3, 2)}, "dates: dates_each is (3, 2), but it must be 1 or more, or (fewest, most) of that."),
        ({"locales": ["xx"]}, 'dates: Babel knows no locale \'xx\'; it is written like "de" or "pt_BR".'),
        ({"styles": ["short"]}, "dates: there is no style 'short'; choose among full, long, medium."),
    ],
)
def test_dates_explain_what_they_cannot_do(arguments, message):
    """Each misuse is answered with a sentence."""
    with pytest.raises(ValueError, match=re.escape(message)):
        dates(1, **arguments)


# --- names


@pytest.mark.parametrize("target", ["fr", "de", "es", "it"])
def test_names_are_plenty_and_translated(target):
    """Several hundred pairs of names, most of them different in the two languages, and no pair twice."""
    pairs = names("en", target)
    assert len(pairs) > 500
    assert len(set(pairs)) == len(pairs)
    assert sum(pair.source != pair.target for pair in pairs) > len(pairs) / 2
    assert not any(pair.links for pair in pairs), "nobody has marked the links"


def test_names_change_places():
    """English puts the adjective first, French behind: the same words in another order."""
    french = {text(" ".join(pair.source)): " ".join(pair.target) for pair in names("en", "fr")}
    assert french["South Africa"] == "Afrique du Sud"
    assert french["North America"] == "Amérique du Nord"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kinds": ["rivers"]}, "names: there are no 'rivers'; choose among territories, languages, scripts."),
        ({"target": "xx"}, 'names: Babel knows no locale \'xx\'; it is written like "de" or "pt_BR".'),
    ],
)
def test_names_explain_what_they_cannot_do(arguments, message):
    """Each misuse is answered with a sentence."""
    with pytest.raises(ValueError, match=re.escape(message)):
        names(**arguments)


# --- pairs, vocabulary, batches


@pytest.mark.parametrize("link", [(2, 0), (0, 1), (-1, 0)])
def test_a_link_outside_is_refused(link):
    """A link has to lie inside source and target."""
    with pytest.raises(ValueError, match="points outside 2 target and 1 source symbols"):
        Pair(("a",), ("b", "c"), frozenset({link}))


def test_vocabulary_reads_back_what_it_wrote():
    """decode(encode(x)) is x, whatever stands behind the end mark."""
    vocabulary = Vocabulary(symbols(["bad", "cab"]))
    assert len(vocabulary) == 3 + 4
    assert vocabulary.encode("abcd") == [3, 4, 5, 6]
    assert vocabulary.decode([START, *vocabulary.encode("dab"), END, PAD, 3]) == list("dab")


def test_vocabulary_may_hold_the_marks_as_symbols():
    """A text with "<" in it is no start mark."""
    vocabulary = Vocabulary(["<", "a"])
    assert vocabulary.encode("<a") == [3, 4]
    assert vocabulary.decode([3, 4]) == ["<", "a"]


def test_vocabulary_explains_what_it_cannot_do():
    """Unknown and repeated symbols are answered with a sentence."""
    with pytest.raises(ValueError, match="'z' is not among the 1 symbols; make the vocabulary of all pairs"):
        Vocabulary("a").encode("az")
    with pytest.raises(ValueError, match="a symbol occurs twice"):
        Vocabulary("aa")


def test_a_batch_by_hand():
    """Two pairs of different lengths, every number worked out."""
    vocabulary = Vocabulary("ab")  # a is 3, b is 4
    batch = make_batch([Pair(("a", "b", "b"), ("b",)), Pair(("b",), ("a", "a"))], vocabulary, vocabulary)
    assert batch.source.tolist() == [[3, 4, 4], [4, PAD, PAD]]
    assert batch.lengths.tolist() == [3, 1]
    assert batch.target_in.tolist() == [[START, 4, PAD], [START, 3, 3]]
    assert batch.target_out.tolist() == [[4, END, PAD], [3, 3, END]]
    assert batch.steps.tolist() == [2, 3]
    assert {tensor.dtype for tensor in vars(batch).values()} == {torch.int64}
    assert len(batch) == 2


def test_batches_show_every_pair_once_per_round():
    """A round holds each pair once, two rounds differ in order, and the seed decides both."""
    pairs = [Pair((symbol,), (symbol,)) for symbol in "abcdef"]
    vocabulary = Vocabulary("abcdef")

    def rounds(seed):
        stream = batches(pairs, vocabulary, vocabulary, size=2, seed=seed)
        numbers = [int(number) for batch in itertools.islice(stream, 6) for number in batch.source[:, 0]]
        return numbers[:6], numbers[6:]

    first, second = rounds(0)
    assert sorted(first) == sorted(second) == [3, 4, 5, 6, 7, 8]
    assert first != second
    assert rounds(0) == (first, second)
    assert rounds(1) != (first, second)


@pytest.mark.parametrize("size", [0, 3])
def test_batches_need_enough_pairs(size):
    """Fewer pairs than a batch would give none, silently and for ever."""
    vocabulary = Vocabulary("ab")
    with pytest.raises(ValueError, match=f"size is {size}, but it must be between 1 and the number of pairs, 2"):
        next(batches([Pair(("a",), ("b",))] * 2, vocabulary, vocabulary, size=size))


@pytest.mark.parametrize("pairs", [[], [Pair((), ("a",))]])
def test_a_batch_needs_sources(pairs):
    """No pairs and empty sources are refused: no length may be 0."""
    with pytest.raises(ValueError, match="at least one pair, and every source at least one symbol"):
        make_batch(pairs, Vocabulary("a"), Vocabulary("a"))


def test_importing_the_data_loads_no_library():
    """torch and Babel are loaded when they are needed, not before."""
    code = "import sys, attn_core.lab.data; print({'torch', 'babel', 'numpy'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"
