"""The event store on Postgres: the lane that appends, the recorder that reads, the mapper that seals.

Read in this order: `lane` (group commit), `row_loading` and `row_writing` (the rows in step), `mapper` (sealed bytes
and hashes), `recorder` (the library's recorder, replaced where measurement shows the need).
"""
