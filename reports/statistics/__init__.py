"""F1 scores, their bootstrap, and intervals that stay honest with few seeds."""
