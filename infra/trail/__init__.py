"""What becomes of a message, told stage by stage under one id: its acceptance's.

`stages` is who is told: the log, and on demand a collector of traces. The other modules stand in front of the ports
that a message passes (reception, queue, appender, view) and tell of each that it has passed.
"""
