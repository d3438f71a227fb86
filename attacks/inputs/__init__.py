"""From stored cells to what an attack sees."""
