"""Open-i: the Indiana University chest X-ray reports."""
