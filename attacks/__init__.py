"""Attacks on finished cells: scores per candidate, and leakage estimates with their limits.

view.py is what an attack sees, attack.py what it is, run_family.py runs one on a family of cells;
membership/ holds the attacks, audit/ the lower bounds on ε, metrics.py the statistics. Attacks read
the store; training never imports them.
"""
