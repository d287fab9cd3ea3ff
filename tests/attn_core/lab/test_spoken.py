"""The table of languages spoken, and names as vectors of letter pairs."""

import numpy as np
import pytest

from attn_core.lab.data.spoken import letter_pairs, spoken


def test_shares_are_percentages_of_real_territories():
    """A few hundred names, one number per language, each from 0 to 100; Canada speaks English more than French."""
    table = spoken(["en", "fr", "sw"])
    assert len(table) > 200
    assert all(len(row) == 3 and all(0.0 <= share <= 100.0 for share in row) for row in table.values())
    assert table["Canada"][0] > table["Canada"][1] > 0.0
    assert table["Kenya"][2] > 50.0


def test_a_language_that_nobody_speaks_is_refused():
    """The error names the code."""
    with pytest.raises(ValueError, match=r"^spoken: no territory has a language 'xx'; codes are written like"):
        spoken(["en", "xx"])


def test_names_are_unit_vectors_and_find_themselves():
    """Every name has length 1 and is its own best match; a typing error is nearest to what was meant."""
    names = list(spoken())
    keys = letter_pairs(names, known=names)
    np.testing.assert_allclose(np.linalg.norm(keys, axis=1), 1.0)
    assert ((keys @ keys.T).argmax(1) == np.arange(len(names))).all()
    assert names[int((letter_pairs(["Swizerland"], known=names) @ keys.T).argmax())] == "Switzerland"


def test_unknown_pairs_give_zeros():
    """A word that shares no pair of letters with the known ones is no direction at all."""
    assert not letter_pairs(["xyz"], known=["ab"]).any()
