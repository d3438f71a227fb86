"""What a researcher implements: a method, and what fitting it gives."""
