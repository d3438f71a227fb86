"""Mutation score of the privacy code: `python -m tools.mutation --help`.

Each mutant is one small syntax-tree change of one module. The tests run against it in a process
forked from a parent that has the heavy libraries loaded, so that a mutant costs about two seconds.
A general tool would start Python anew for each mutant (libraries alone: 5 s) or write the mutant
over the file; here a mutant exists in the memory of its process only.
"""
