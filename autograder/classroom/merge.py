"""The journals of several machines become one: what was graded anywhere need not be graded again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autograder.classroom.database import told
from autograder.classroom.lock import locked
from autograder.classroom.text import one_line
from autograder.curriculum import CurriculumError, Tree
from autograder.judge.journal import Journal, merge

SHOWN = 20  # conflicts


def merge_and_tell(tree: Tree, journals: Sequence[Path]) -> tuple[list[str], int]:
    """Merge journals into the course's own. Gives what to print, and how many results disagree."""
    slugs = [_slug(tree, path) for path in journals]  # all of them first: a mistake changes nothing
    lines: list[str] = []
    conflicts = 0
    with told(tree), locked(tree, "attn merge"):
        for path, slug in zip(journals, slugs, strict=True):
            done = merge(tree.journal(slug), [path])
            lines.append(f"{path}: {done.added} added, {done.known} known already.")
            if done.unreadable:
                lines.append(f"{path}: {done.unreadable} lines cannot be read; these are graded again.")
            for student, _, grader in done.conflicts[:SHOWN]:
                where = tree.shown(tree.journal(slug))
                lines.append(
                    f"{path}: {one_line(student)} has another result there, by the same grader ({grader}). The one in {where} "
                    f"stays; `attn regrade {slug} --student {one_line(student)}` settles it."
                )
            if len(done.conflicts) > SHOWN:
                lines.append(f"{path}: {len(done.conflicts) - SHOWN} more results disagree.")
            conflicts += len(done.conflicts)
    lines += [
        f"Now `attn grade {slug}` writes them into the gradebook, without judging again."
        for slug in dict.fromkeys(slugs)
    ]
    return lines, conflicts


def _slug(tree: Tree, path: Path) -> str:
    """Which assignment a journal is of: its ledgers say so."""
    try:
        found = {ledger.slug for ledger in Journal(path).ledgers()}
    except OSError as error:
        raise CurriculumError(f"{path} cannot be read: {error.strerror}.") from None
    if not path.is_file():
        raise CurriculumError(f"There is no journal {path}. One lies in a course's folder, as journal/SLUG.jsonl.")
    if len(found) != 1:
        what = f"holds gradings of {', '.join(sorted(found))}" if found else "holds no grading"
        raise CurriculumError(f"{path} {what}; a journal is of one assignment. Nothing was merged.")
    return tree.topic(found.pop()).slug
