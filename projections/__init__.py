"""ledgermail projections."""
