"""What a Redis holds for the service: only what may be lost at any moment.

`server` asks it, within a bounded time and never while it is away; `names` sees to it that what lies there names
nobody. The other modules are adapters, each of a port that also has one without Redis.
"""
