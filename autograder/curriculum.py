"""The manifest as dataclasses, and every path rule of the project.

The slug is the join key: `06_scaling` names the lecture, the solution, the exercise, the task file, the tests and the
answers. No other module writes such a path by hand.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

MANIFEST = Path(__file__).with_name("curriculum.toml")
PLANS = ("evening", "weekend", "month")  # how much time a learner has; each includes what stands before it
WRITTEN_MARK = "proof"  # a task whose name ends so is answered in prose and graded by hand


class CurriculumError(Exception):
    """Something about the curriculum that its user can mend; the message says how."""


@dataclass(frozen=True)
class TaskEntry:
    """A task as the manifest knows it: its id ("scaling.softmax") and its points."""

    id: str
    points: float

    @property
    def grade_id(self) -> str:
        """The nbgrader id of the graded cell: `scaling-softmax` (nbgrader allows no dot)."""
        return self.id.replace(".", "-", 1)

    @property
    def answer_id(self) -> str:
        """The nbgrader id of the cell that a learner fills in."""
        return f"{self.grade_id}-answer"

    @property
    def written(self) -> bool:
        """Is it answered in prose, and graded by hand?"""
        return self.id.rpartition(".")[2] == WRITTEN_MARK


@dataclass(frozen=True)
class Topic:
    """One topic: its row of the manifest."""

    slug: str
    title: str
    minutes: int
    plan: str  # the shortest plan that includes it, one of PLANS
    needs: tuple[str, ...]
    questions: tuple[str, ...]
    sources: tuple[str, ...]
    tasks: tuple[TaskEntry, ...]
    claims_measured: tuple[str, ...]
    claims_stated: tuple[str, ...]

    @property
    def points(self) -> float:
        """What a perfect submission earns."""
        return sum(task.points for task in self.tasks)

    @property
    def task_module(self) -> str:
        """The module that holds the topic's tasks. A slug starts with a digit, so it is imported by name only."""
        return f"autograder.tasks.{self.slug}"


# The map that one opens first: a notebook like a lecture, but no topic of the manifest.
START = Topic("00_start", "Start here", 10, PLANS[0], (), (), (), (), (), ())


@cache
def topics(manifest: Path = MANIFEST) -> tuple[Topic, ...]:
    """All topics, in the order of teaching; a manifest that cannot be read raises CurriculumError."""
    try:
        rows = tomllib.loads(manifest.read_text(encoding="utf-8")).get("topics", [])
    except FileNotFoundError:
        raise CurriculumError(
            f"There is no manifest at {manifest}. It lists the topics; restore it from git."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise CurriculumError(f"{manifest.name} is not valid TOML: {error}. Mend that line.") from None
    found = []
    for number, row in enumerate(rows, start=1):
        try:
            found.append(_topic(row))
        except KeyError as error:
            name = row.get("slug", f"number {number}")
            raise CurriculumError(f"{manifest.name}: topic {name} lacks the key {error}. Add it.") from None
    return tuple(found)


def _topic(row: dict[str, Any]) -> Topic:
    return Topic(
        slug=row["slug"],
        title=row["title"],
        minutes=row["minutes"],
        plan=row["plan"],
        needs=tuple(row["needs"]),
        questions=tuple(row["questions"]),
        sources=tuple(row["sources"]),
        tasks=tuple(TaskEntry(id, points) for id, points in row["tasks"].items()),
        claims_measured=tuple(row["claims"]["measured"]),
        claims_stated=tuple(row["claims"]["stated"]),
    )


def find_topic(slug: str, manifest: Path = MANIFEST) -> Topic:
    """The topic of this slug; an unknown slug raises CurriculumError with the known ones."""
    known = topics(manifest)
    for topic in known:
        if topic.slug == slug:
            return topic
    raise CurriculumError(f"There is no topic {slug!r}. Known topics: {', '.join(t.slug for t in known)}.")


def find_task(task_id: str) -> tuple[Topic, TaskEntry]:
    """The topic and the manifest entry of a task; an unknown id raises CurriculumError with the nearest ones."""
    from difflib import get_close_matches

    known = {task.id: (topic, task) for topic in topics() for task in topic.tasks}
    if task_id in known:
        return known[task_id]
    near = get_close_matches(task_id, known, n=3, cutoff=0.4) or sorted(known)
    raise CurriculumError(f"There is no task {task_id!r}. Did you mean {', '.join(near)}?")


@dataclass(frozen=True)
class Tree:
    """The project's folder and every path in it; `course` holds what belongs to one teacher's course."""

    root: Path
    course: Path

    @property
    def manifest(self) -> Path:
        """The list of topics of this very checkout."""
        return self.root / "autograder" / MANIFEST.name

    def topics(self) -> tuple[Topic, ...]:
        """All topics of this checkout, in the order of teaching."""
        return topics(self.manifest)

    def topic(self, slug: str) -> Topic:
        """One topic of this checkout; an unknown slug raises CurriculumError."""
        return find_topic(slug, self.manifest)

    def shown(self, path: Path) -> str:
        """A path as messages show it: relative to the root, with forward slashes, the same on every machine."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else path.as_posix()

    @staticmethod
    def link(page: Path, target: Path) -> str:
        """How a page links to a file: relative to the page's own folder."""
        return Path(os.path.relpath(target, page.parent)).as_posix()

    @property
    def readme(self) -> Path:
        """The front page; the table of topics between its markers is generated."""
        return self.root / "README.md"

    @property
    def claims_page(self) -> Path:
        """The generated table of all claims."""
        return self.root / "docs" / "claims.md"

    @property
    def packages(self) -> tuple[Path, Path]:
        """The two packages, attn_core and autograder."""
        return self.root / "attn_core", self.root / "autograder"

    def homes(self) -> dict[Path, bool]:
        """The folders that hold their topics' entries by slug, and whether they hold nothing else."""
        return {
            self.root / "notebooks": True,
            self.root / "solutions": True,
            self.root / "exercises": True,
            self.root / "autograder" / "tasks": False,
            self.root / "tests" / "answers": False,
            self.root / "sample_class": False,
        }

    def files(self, slug: str) -> dict[str, Path]:
        """Every file and folder that a topic must have, by what it is."""
        return {
            "lecture text": self.lecture_text(slug),
            "lecture": self.lecture(slug),
            "solution text": self.solution_text(slug),
            "solution": self.solution(slug),
            "exercise": self.exercise(slug),
            "tasks": self.tasks(slug),
            "answers": self.answers(slug),
        }

    def texts(self) -> Iterator[tuple[Topic, Path, Path]]:
        """Every text and the notebook that is built from it: the start page, then lecture and solution per topic."""
        yield START, self.lecture_text(START.slug), self.lecture(START.slug)
        for topic in self.topics():
            yield topic, self.lecture_text(topic.slug), self.lecture(topic.slug)
            yield topic, self.solution_text(topic.slug), self.solution(topic.slug)

    def lecture_text(self, slug: str) -> Path:
        """The source of a lecture."""
        return self.root / "notebooks" / f"{slug}.py"

    def lecture(self, slug: str) -> Path:
        """The built and executed lecture."""
        return self.root / "notebooks" / f"{slug}.ipynb"

    def solution_text(self, slug: str) -> Path:
        """The source of an assignment, answers included."""
        return self.root / "solutions" / f"{slug}.py"

    def solution(self, slug: str) -> Path:
        """The built and executed assignment, answers included, alone in its folder: nbgrader copies all of that."""
        return self.root / "solutions" / slug / f"{slug}.ipynb"

    def exercise(self, slug: str) -> Path:
        """What learners get: the released assignment."""
        return self.root / "exercises" / slug / f"{slug}.ipynb"

    def work(self, slug: str) -> Path:
        """A learner's own copy of the exercise."""
        return self.root / "work" / slug / f"{slug}.ipynb"

    def tasks(self, slug: str) -> Path:
        """The graders of an assignment: a package with one module per task."""
        return self.root / "autograder" / "tasks" / slug

    def answers(self, slug: str) -> Path:
        """The folder of right and wrong answers that test the graders."""
        return self.root / "tests" / "answers" / slug

    def sample_class(self, slug: str) -> Path:
        """The folder of the made-up class that `make grade` demonstrates on."""
        return self.root / "sample_class" / slug

    def submission(self, student: str, slug: str) -> Path:
        """Where a learner's notebook is collected."""
        return self.course / "submitted" / student / slug / f"{slug}.ipynb"

    def students(self, slug: str) -> Iterator[str]:
        """Everyone who handed in something for this assignment, in alphabetical order: a folder, or what is none."""
        submitted = self.course / "submitted"
        if submitted.is_dir():
            yield from sorted(p.name for p in submitted.iterdir() if _lies_in(p, slug))

    def autograded(self, student: str, slug: str) -> Path:
        """The graded notebook, as formgrader shows it."""
        return self.course / "autograded" / student / slug / f"{slug}.ipynb"

    def feedback(self, student: str, slug: str) -> Path:
        """The page that a learner gets back."""
        return self.course / "feedback" / student / slug / f"{slug}.html"

    @property
    def secret(self) -> Path:
        """What the inputs of all checks are drawn from; whoever has it can foresee them."""
        return self.course / "secret"

    @property
    def settings(self) -> Path:
        """What the teacher has set for this course; it need not be there."""
        return self.course / "course.toml"

    def course_file(self) -> dict[str, Any]:
        """What it says, nothing where it is missing; a file that cannot be read raises CurriculumError."""
        name = self.shown(self.settings)
        try:
            return tomllib.loads(self.settings.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise CurriculumError(f"{name} cannot be read: {error.strerror}. Make it readable, or remove it.") from None
        except UnicodeDecodeError as error:
            raise CurriculumError(f"{name} is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from None
        except tomllib.TOMLDecodeError as error:
            raise CurriculumError(f"{name} is not valid TOML: {error}. Mend that line.") from None

    def demonstration(self) -> Tree:
        """The same project with the course of the made-up class, so that a real course is never touched."""
        return Tree(self.root, self.root / "course_demo")

    @property
    def lock(self) -> Path:
        """Held while a grading writes into this course."""
        return self.course / "grading.lock"

    def journal(self, slug: str) -> Path:
        """One line per graded submission: what makes a killed run resume."""
        return self.course / "journal" / f"{slug}.jsonl"

    def export(self, name: str = "grades.csv") -> Path:
        """A table of grades; the one without a name is ours, others are for other systems."""
        return self.course / name

    def export_of(self, format: str, student: str, slug: str) -> Path:
        """A student's results in a format that takes one file per submission."""
        return self.course / format / student / slug / "results.json"

    def similarity(self, slug: str) -> Path:
        """The page on which solutions are compared."""
        return self.course / "similarity" / f"{slug}.html"

    @property
    def gradebook(self) -> str:
        """The address of nbgrader's database: what `course.toml` names, else SQLite in the course folder."""
        named = str(self.course_file().get("gradebook", ""))
        scheme, separator, rest = named.partition("://")
        if scheme in ("postgres", "postgresql"):  # with the driver that the extra `postgres` installs
            return f"postgresql+psycopg{separator}{rest}"
        return named or f"sqlite:///{self.gradebook_file}"

    @property
    def gradebook_file(self) -> Path:
        """The file behind it."""
        return self.course / "gradebook.db"


def _lies_in(folder: Path, name: str) -> bool:
    """Is there anything of this name, or something that cannot be looked into? No link at the end is followed."""
    try:
        os.lstat(folder / name)
    except (FileNotFoundError, NotADirectoryError):
        return folder.is_symlink() and not folder.exists()
    except OSError:
        return True
    return True


def find_tree(start: Path | None = None) -> Tree:
    """The project that `start` (the working directory) lies in; ATTN_COURSE names another course folder."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "nbgrader_config.py").is_file() and (folder / "solutions").is_dir():
            return Tree(folder, (folder / os.environ.get("ATTN_COURSE", "course")).resolve())
    raise CurriculumError(
        f"{here} is not inside the curriculum: no folder above it holds nbgrader_config.py and solutions/."
    )
