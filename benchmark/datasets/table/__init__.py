"""A dataset of one's own: a CSV or Parquet file and the names of its columns."""
