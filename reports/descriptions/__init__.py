"""The description of a dataset as a page, tables and figures."""
