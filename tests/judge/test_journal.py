"""The journal: nothing that is in it is lost, whatever interrupts an append, and journals of several machines are a union."""

import errno
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.checking.report import Report, State
from autograder.judge import journal
from autograder.judge.journal import Journal, append, key_of, merge, read
from autograder.judge.ledger import Ledger, Result


def a_ledger(
    student: str, fingerprint: str = "f", points: float = 1.0, grader: str = "g1", said: str = "a\u2028b\nc"
) -> Ledger:
    """A ledger with one result, whose text holds other line breaks than the journal's."""
    report = Report("t.a", "a", State.WRONG, sentences=(said,))
    return Ledger(student, "06_scaling", fingerprint, grader, "none", (Result(report, points, 3.0),), ("ä",))


def test_an_index_finds_what_reading_everything_finds(tmp_path):
    """Same keys, same order, same newest ledgers, whatever was appended again."""
    draw, path = random.Random(1), tmp_path / "j.jsonl"
    for number in range(60):
        append(path, a_ledger(f"s{draw.randrange(8)}", f"f{draw.randrange(3)}", float(number)))
    book, everything = Journal(path), read(path)
    assert book.keys() == list(everything)
    assert list(book.ledgers()) == list(everything.values())
    newest = journal.latest(everything)
    assert {student: book.newest(student) for student in book.students()} == newest
    for student in newest:
        assert [k for k in everything if book.is_newest(k) and k[0] == student] == [key_of(newest[student])]
    assert book.get(("nobody", "f", "g")) is None
    assert book.newest("nobody") is None
    assert (("nobody", "f", "g") in book, book.keys()[0] in book, len(book)) == (False, True, len(everything))


def test_an_index_sees_what_others_append_and_a_journal_that_was_replaced(tmp_path):
    """Another process may write; a regrade puts a shorter journal in its place."""
    path = tmp_path / "j.jsonl"
    book = Journal(path)
    assert book.students() == []
    append(path, a_ledger("ada"))
    book.refresh()
    assert book.students() == ["ada"]
    book.add(a_ledger("ben"))
    assert book.students() == ["ada", "ben"]
    path.write_bytes(b"")
    append(path, a_ledger("cy", said=""))
    book.refresh()
    assert book.students() == ["cy"]
    path.unlink()
    book.refresh()
    assert (len(book), book.students()) == (0, [])


def test_a_line_that_is_still_being_written_is_read_when_it_is_whole(tmp_path):
    """An index looks again at the end of the file, and never takes half a line for a grading."""
    path = tmp_path / "j.jsonl"
    append(path, a_ledger("ada"))
    whole = path.read_bytes()
    path.write_bytes(whole + whole.replace(b"ada", b"ben")[:-20])
    book = Journal(path)
    assert book.students() == ["ada"]
    path.write_bytes(whole + whole.replace(b"ada", b"ben"))
    book.refresh()
    assert book.students() == ["ada", "ben"]


@pytest.mark.parametrize("broken", [b'{"student"', b"null", b"[]", b"3", b'{"results": 3}', b"\xff\xfe"])
def test_a_line_that_is_no_ledger_is_passed_over(tmp_path, broken):
    """The ledgers before and after it count; what it stood for is graded again."""
    path = tmp_path / "j.jsonl"
    append(path, a_ledger("ada"))
    with path.open("ab") as file:
        file.write(broken)
    append(path, a_ledger("ben"))
    assert [ledger.student for ledger in read(path).values()] == ["ada", "ben"]
    assert Journal(path).students() == ["ada", "ben"]


@pytest.mark.parametrize("at", [0, 7, 200])
def test_an_append_that_fails_leaves_the_journal_as_it_was(tmp_path, monkeypatch, at):
    """A full disk in the middle of a line: no half line stays, and the next append succeeds."""
    path = tmp_path / "j.jsonl"
    append(path, a_ledger("ada"))
    before, real = path.read_bytes(), os.write

    def full(file: int, data: bytes) -> int:
        if at and os.fstat(file).st_size == len(before):
            return real(file, bytes(data[:at]))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal.os, "write", full)
    with pytest.raises(OSError, match="No space"):
        append(path, a_ledger("ben"))
    assert path.read_bytes() == before
    monkeypatch.undo()
    append(path, a_ledger("ben"))
    assert list(read(path)) == [key_of(a_ledger("ada")), key_of(a_ledger("ben"))]


def some_journals(folder: Path, seed: int) -> tuple[list[Path], dict]:
    """Three journals of one class: many keys in several of them, always with the same answer. And their union."""
    draw, union, paths = random.Random(seed), {}, []
    for number in range(3):
        paths.append(folder / f"machine{number}.jsonl")
        paths[-1].touch()
        for _ in range(draw.randrange(1, 12)):
            student, fingerprint, grader = (f"{a}{draw.randrange(4)}" for a in "sfg")
            ledger = a_ledger(student, fingerprint, float(len(student + fingerprint)), grader)
            append(paths[-1], ledger)
            union[key_of(ledger)] = ledger
    return paths, union


@pytest.mark.parametrize("seed", range(20))
def test_a_merge_is_a_union_in_any_order_and_again(tmp_path, seed):
    """By key: nothing missing, nothing twice, the same from every order, and a second merge changes no byte."""
    paths, union = some_journals(tmp_path, seed)
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        target = tmp_path / f"into{order[0]}.jsonl"
        done = merge(target, [paths[i] for i in order])
        assert read(target) == union
        assert (done.added, done.conflicts, done.unreadable) == (len(union), [], 0)
        assert target.read_bytes().count(b"\n") == len(union)
        before = target.read_bytes()
        again = merge(target, [*paths, target])
        assert (again.added, again.conflicts) == (0, [])
        assert target.read_bytes() == before


def test_two_answers_to_one_key_are_reported_and_the_first_stays(tmp_path):
    """Never chosen in silence; what the others hold is taken over all the same."""
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    append(here, a_ledger("ada", points=1.0))
    for ledger in (a_ledger("ada", points=2.0), a_ledger("ben")):
        append(there, ledger)
    done = merge(here, [there])
    assert (done.added, done.known, done.conflicts) == (1, 0, [key_of(a_ledger("ada"))])
    assert list(read(here).values()) == [a_ledger("ada", points=1.0), a_ledger("ben")]


def test_a_grading_of_another_sandbox_is_another_key(tmp_path):
    """Results with and without protection stand beside each other."""
    here, there = tmp_path / "here.jsonl", tmp_path / "there.jsonl"
    append(here, a_ledger("ada"))
    append(there, replace(a_ledger("ada", points=2.0), sandbox="bwrap"))
    assert merge(here, [there]).conflicts == []
    assert len(read(here)) == 2


def test_lines_that_cannot_be_read_are_counted(tmp_path):
    """The teacher learns that something is missing from a journal."""
    there = tmp_path / "there.jsonl"
    append(there, a_ledger("ada"))
    with there.open("ab") as file:
        file.write(b'{"stu\n\n')
    assert merge(tmp_path / "here.jsonl", [there]).unreadable == 1
