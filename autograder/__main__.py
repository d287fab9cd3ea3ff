"""`python -m autograder` is `attn`, for systems on which scripts are not on the path."""

from autograder.cli import main

main(prog_name="attn")
