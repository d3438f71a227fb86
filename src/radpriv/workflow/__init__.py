"""Run, attack, report: what the command line and a notebook call."""
