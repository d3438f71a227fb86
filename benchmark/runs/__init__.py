"""Running cells: the life of one, a plan of them, and why a stored one is served."""
