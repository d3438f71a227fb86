"""Linear heads and one-shot solvers that several baselines share."""
