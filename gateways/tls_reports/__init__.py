"""Reports on TLS with a domain's hosts (RFC 8460): who wants them (`destinations`), what one says (`report`), the mail
that brings it (`letter`)."""
