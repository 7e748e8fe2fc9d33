"""Reception by SMTP (RFC 5321) and LMTP (RFC 2033).

Read in this order: `conversation` says what is answered to what, without sockets, and asks for what blocks by
`actions`; `intake` does those against the ports of `gateways.reception`, `acceptances` hands over mails that end
together; those of `gateways.screening` look at a message before; `server` holds the sockets.
`grammar`, `content`, `trace` and `transaction` are the conversation's parts; `admission` and `limits` its bounds.
"""
