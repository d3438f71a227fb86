"""The waist: the only way in which private records reach a model.

    train.map, run.poisson      what is sampled       records.py, streams.py
    clipped_sum                 what one record adds  clipping.py
    step.gaussian               what is released      release.py, accounting/ledger.py
    run.calibrate, certificate  what it costs         accounting/calibration.py

Private: records, labels, membership, coins, noise, losses, shares clipped, realised batch sizes.
Public: everything else in a method, and each noised value. See ARCHITECTURE.md's privacy rules.
"""
