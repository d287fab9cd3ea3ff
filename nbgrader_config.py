"""nbgrader's settings: its folders are ours, and its autograde step goes through the judge."""

import warnings
from pathlib import Path

from sqlalchemy.exc import SAWarning

import autograder.classroom.database  # noqa: F401  # with it nbgrader can make its tables in PostgreSQL, too
from autograder.curriculum import find_tree

tree = find_tree()
c = get_config()  # type: ignore[name-defined]  # noqa: F821  # nbgrader defines it before it runs this file
# nbgrader was written for an older SQLAlchemy, which did not mention this; the rows are written all the same
warnings.filterwarnings("ignore", "Object of type <.*> not in session", SAWarning)


def course_folder(name: str) -> str:
    """A folder of the course as nbgrader wants it: relative to the root, where the course lies inside."""
    path: Path = tree.course / name
    return str(path.relative_to(tree.root) if path.is_relative_to(tree.root) else path)


c.CourseDirectory.root = str(tree.root)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = course_folder("submitted")
c.CourseDirectory.autograded_directory = course_folder("autograded")
c.CourseDirectory.feedback_directory = course_folder("feedback")
c.CourseDirectory.db_url = tree.gradebook
c.ExportPlugin.to = str(tree.course / "nbgrader_export.csv")  # grades belong to the course, not into the repository

# `nbgrader autograde`: submissions come through our intake, and the judge stands where a notebook would be executed
c.Autograde.pre_convert_hook = "autograder.classroom.plugin.one_notebook"
c.Autograde.exporter_class = "autograder.classroom.plugin.Reader"
c.Autograde.autograde_preprocessors = [
    "autograder.classroom.plugin.Judge",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
# `nbgrader generate_feedback`: the rubric is for graders
c.GenerateFeedback.preprocessors = [
    "autograder.classroom.plugin.WithoutNotes",
    "nbgrader.preprocessors.GetGrades",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
