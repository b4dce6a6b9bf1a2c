"""`python -m execution.cli`, the same as the command `execution`."""

from execution.cli import main

main()
