"""Numbers for symbols: what a model reads and writes instead of characters or words."""

from collections.abc import Iterable, Sequence

PAD, START, END = 0, 1, 2  # behind a sequence, before its first symbol, after its last
MARKS = ("·", "<", ">")  # how the three are shown to people


class Vocabulary:
    """Symbols numbered from 3 on, in the order given; 0, 1 and 2 are padding, start and end.

    >>> words = Vocabulary(["black", "cat"])
    >>> words.encode(["cat", "black"])
    [4, 3]
    >>> words.decode([4, 3, END, PAD])
    ['cat', 'black']
    """

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = (*MARKS, *symbols)
        self._numbers = {symbol: number for number, symbol in enumerate(self.symbols) if number >= len(MARKS)}
        if len(self._numbers) != len(self.symbols) - len(MARKS):
            raise ValueError("Vocabulary: a symbol occurs twice, but each needs one number; symbols() lists each once.")

    def __len__(self) -> int:
        return len(self.symbols)

    def encode(self, sequence: Iterable[str]) -> list[int]:
        """The numbers of the symbols; an unknown one raises ValueError."""
        try:
            return [self._numbers[symbol] for symbol in sequence]
        except KeyError as error:
            raise ValueError(
                f"Vocabulary: {error.args[0]!r} is not among the {len(self._numbers)} symbols; "
                "make the vocabulary of all pairs, those of the test too."
            ) from None

    def decode(self, numbers: Sequence[int]) -> list[str]:
        """The symbols before the first end mark, without padding and start marks."""
        plain = [int(number) for number in numbers]
        stop = plain.index(END) if END in plain else len(plain)
        return [self.symbols[number] for number in plain[:stop] if number not in (PAD, START)]
