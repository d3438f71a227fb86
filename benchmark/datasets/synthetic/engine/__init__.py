"""What the twins share: a copula, states, phrases, and streams of draws."""
