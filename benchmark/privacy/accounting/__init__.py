"""What releases cost: the ledger, the certificate, and other accountants beside it."""
