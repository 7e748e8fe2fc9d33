"""The HTTP contract: `/v1`, one file a resource, each a table of operations and the functions that answer them.

`app` is the server's side of it: it matches the route, bounds and decodes what came, runs the operation in a bounded
pool of threads and sends the answer or its problem document. `sync_route` is apart from that, because it waits without
holding a thread. `openapi` describes what the tables say; `ports` is all that stands behind.
"""
