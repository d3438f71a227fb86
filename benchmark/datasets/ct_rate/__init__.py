"""CT-RATE: chest CT reports with 18 labels."""
