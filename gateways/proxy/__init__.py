"""The PROXY protocol, version 2: what a proxy in front of the service says of whom it passes on.

The specification is `doc/proxy-protocol.txt` of HAProxy; section numbers are of its revision of 2020/03/05.
"""
