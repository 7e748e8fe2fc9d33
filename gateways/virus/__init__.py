"""Viruses: what a scanner is asked and says (`clamd`), the ports to it (`scanning`), and what a verdict leads to."""
