"""Models: the β-VAE."""

from vaelib.models.beta_vae import BetaVAE
from vaelib.models.build import build_vae, load_vae

__all__ = ["BetaVAE", "build_vae", "load_vae"]
