"""What stands beside the tables of a report: headline, claim, card and provenance, in words."""
