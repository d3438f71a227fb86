"""Where results lie, whole or absent, under ids that say what was asked and how."""
