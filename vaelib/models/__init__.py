"""Models: the β-VAE, and its conditional, hierarchical and linear kin."""

from vaelib.models.beta_vae import BetaVAE
from vaelib.models.build import build_vae, load_vae
from vaelib.models.conditional_vae import ConditionalVAE
from vaelib.models.hierarchical_vae import HierarchicalVAE
from vaelib.models.linear_vae import LinearVAE
from vaelib.models.vae import VAE

__all__ = ["VAE", "BetaVAE", "ConditionalVAE", "HierarchicalVAE", "LinearVAE", "build_vae", "load_vae"]
