"""Accounts in Postgres: who may have an address, who comes in, with which password. The ports are `gateways.accounts`.

Read in this order: `registration` (the directory row decides every race), `unfinished` (what a crash left, finished by
the next visit), `directory` (address to mailbox), `credentials` (the one check of address and password, with `hashing`
and `throttle`), `second_factors` (with `factor_codes`), `sessions`, `passwords`, `app_passwords`,
`administration` (what only an operator may do).
"""
