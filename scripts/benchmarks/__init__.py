"""Measures what the design promises, each row as a ratio to a peer that runs alternately with it (README.md here)."""
