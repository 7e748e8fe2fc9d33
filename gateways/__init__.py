"""ledgermail gateways."""
