"""What a check is: tasks, the inputs drawn for them, comparison, diagnosis and report."""
