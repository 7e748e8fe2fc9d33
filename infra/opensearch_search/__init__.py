"""The search of larger installations: OpenSearch, written by any number of processes, each message once by its seq.

`server` says how it is reached, `schema` how a message lies in an index, `queries` how a query asks it, `bulk` how
documents go in, `index` reads and writes one generation, `generations` names them, `live` follows the live
one, `moment` reads a mailbox whole.
"""
