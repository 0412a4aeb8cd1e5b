"""Datasets in three parts: the built-in ones and the user's own files."""

from vaelib.data.checks import check_examples
from vaelib.data.dataset import Dataset
from vaelib.data.digits import load_digits
from vaelib.data.keras_images import load_keras_images
from vaelib.data.loading import load_dataset
from vaelib.data.sprites import load_sprites, render_sprites
from vaelib.data.tabular import load_table

__all__ = [
    "Dataset",
    "check_examples",
    "load_dataset",
    "load_digits",
    "load_keras_images",
    "load_sprites",
    "load_table",
    "render_sprites",
]
