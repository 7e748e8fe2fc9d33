"""How a process of the service tells its supervisor why it ended."""

UNMENDABLE = 78
"""What only the operator can mend (EX_CONFIG of sysexits.h); its last line on standard output says what."""
