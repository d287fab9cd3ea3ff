"""nbgrader's settings: its folders are ours, and its autograde step goes through the judge."""

from autograder.curriculum import find_tree

tree = find_tree()
c = get_config()  # type: ignore[name-defined]  # noqa: F821  # nbgrader defines it before it runs this file

c.CourseDirectory.root = str(tree.root)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = str((tree.course / "submitted").relative_to(tree.root))
c.CourseDirectory.autograded_directory = str((tree.course / "autograded").relative_to(tree.root))
c.CourseDirectory.feedback_directory = str((tree.course / "feedback").relative_to(tree.root))
c.CourseDirectory.db_url = tree.gradebook
