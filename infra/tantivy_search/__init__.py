"""The embedded search: a tantivy index in the data folder, written by one process and read by any number.

`schema` says how a message lies in the index, `queries` how a query asks it, `index` reads and writes one generation,
`generations` names the live one, `live` follows it.
"""
