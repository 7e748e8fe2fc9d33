"""From the queue into mailboxes, and from the outbox into the queue.

Read in this order: `worker` (leases records, delivers them together), `jobs` (one of them on its way), `routes` (where
recipients lead), `opened` (one reading of a message's bytes), `incoming` (what a mailbox is told of it), `placing`
(where the screening says that it goes), `filtered` (what the owner's rules make of that), `reports` and `notification`
(what its sender is told), `failures` (what becomes of the rest), `warning` (what an operator is told of it), `sender`
(what owners send).
"""
