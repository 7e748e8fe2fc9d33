"""What is kept for a while so that it need not be asked for or worked out again; every bit of it may be lost.

`cache` is the port, `sealed` puts a key of the mailbox around what is personal, `positions` names the history that an
answer belongs to. The other modules put both before a port of the views: what they serve is current, or not served.
"""
