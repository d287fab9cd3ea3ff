"""From a folder of submissions to grades: intake, gradebook, feedback, export, and the nbgrader plug-in."""
