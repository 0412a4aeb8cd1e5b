"""Models: the β-VAE."""

from vaelib.models.beta_vae import BetaVAE, build_vae, load_vae

__all__ = ["BetaVAE", "build_vae", "load_vae"]
