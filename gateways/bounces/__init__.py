"""What comes back of mail that was sent: the signed addresses that reports return to, what such reports say, and what
becomes of them.

* `return_path` makes and reads the addresses; the relay sends under one for each recipient.
* `reading` reads a report: of deliveries that failed (RFC 3464 and what others write), complaints (RFC 5965).
* `kinds` tells a lasting failure of an address from one that passes.
"""
