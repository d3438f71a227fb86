"""Does a method satisfy what it says? Replay on neighbours; the one client of training code."""
