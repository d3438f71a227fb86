"""Lower bounds on ε from membership guesses."""
