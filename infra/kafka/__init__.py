"""Kafka behind the ports: accepted mail, what followers apply, what is due to leave.

`cluster` speaks to the brokers, `topics` makes and checks what must be there, `publisher` writes, `member` reads as one
of a consumer group, `incoming` is the queue, `events` and `group_follower` carry the log to the views that follow.
"""
