"""The graders: one package per assignment, one module per task."""
