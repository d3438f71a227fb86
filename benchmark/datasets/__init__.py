"""Datasets: one file each, found through the registry `datasets`."""

from radpriv.benchmark.datasets.base import Card, Dataset, Loader, datasets

__all__ = ["Card", "Dataset", "Loader", "datasets"]
