"""Results as a report reads them from a store."""
