"""synthetic-plain: a grammar that was calibrated on no dataset."""
