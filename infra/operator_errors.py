"""What stops a command for a reason that its operator can mend."""


class OperatorError(Exception):
    """One line that says what is wrong and what to do; the command line prints it, without a traceback, and exits."""

    exit_code = 1


class ServerAwayError(OperatorError):
    """A server does not answer yet. The service says the line and waits for it; any other command ends with it."""
