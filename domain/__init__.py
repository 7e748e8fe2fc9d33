"""ledgermail domain."""
