"""Mail to other hosts (RFC 5321): when it is due, where it goes, how it is said, and what becomes of each recipient.

`schedule` and `parcels` are the ports to what is due; `relay` takes it, `destination` keeps the connections of one
domain, `attempt` tries the hosts that `routing` names, `session` talks to one of them over a `channel`, `security`
says what TLS must prove; `settlement` makes the outcomes last.
"""
