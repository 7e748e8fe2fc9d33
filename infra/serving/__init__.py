"""`ledgermail serve`: a supervisor that holds nothing, and a few processes that each play some roles.

`role_names` and `roles` say what each role runs; `child` is one process, `supervisor` keeps them alive and ends them
together.
"""
