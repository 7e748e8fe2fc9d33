"""Sieve (RFC 5228): an owner's filter script, read, checked and run on one message at a time.

Read in this order: `lexer` and `syntax` (text into commands), `signatures` and `checking` (commands into `nodes`, with
every fault told by its line), `message` (what a script sees of a mail), `comparing` and `variables`, `testing` (whether
a test holds), `running` (what a script comes to: `Outcome`).

A script is a stranger's: its size, depth and number of commands are bounded before it is checked, and a run by steps
that grow with the octets compared, never by the clock, so that the same script does the same to the same mail.
"""
