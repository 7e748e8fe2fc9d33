"""Submission by SMTP (RFC 6409): people's own programs sign in and hand over what they wrote.

It is the conversation of `gateways.smtp` with more said in it: `conversation` adds AUTH (by `sign_in`) and the rights
of who signed in, `transaction` what MAIL may ask for, `transfer` the last step, in which `intake` has `handover` look
at the message (`authors`), complete it (`completing`) and queue it, as sending by HTTP does. `tarpit` slows guessers.
"""
