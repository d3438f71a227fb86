"""The command `radpriv`."""
