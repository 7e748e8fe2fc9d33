"""What others know of the addresses that connect to us."""
