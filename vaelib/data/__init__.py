"""Datasets in three parts: the built-in ones and the user's own files."""

from vaelib.data.checks import check_examples
from vaelib.data.dataset import Dataset
from vaelib.data.loading import load_dataset

__all__ = ["Dataset", "check_examples", "load_dataset"]
