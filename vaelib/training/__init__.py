"""Training a VAE: `train_vae` and what it returns."""

from vaelib.training.batches import training_batches
from vaelib.training.result import TrainingResult
from vaelib.training.train import train_vae

__all__ = ["TrainingResult", "train_vae", "training_batches"]
