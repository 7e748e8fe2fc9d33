"""`python -m infra.command_line`: the command, for processes that start others."""

from infra.command_line import main

main()
