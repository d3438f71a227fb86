"""From an attack's scores to its result."""
