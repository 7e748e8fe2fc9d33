"""ledgermail infra."""
