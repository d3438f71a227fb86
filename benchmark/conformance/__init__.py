"""Does a method hold its claim? Replay on neighbouring data."""
