"""Figures from numbers: each function returns its Axes, and never shows or saves."""

from vaelib.plots.comparison import plot_differences, plot_learning_curves
from vaelib.plots.direct import label_line_ends
from vaelib.plots.history import plot_curves, plot_vae_history
from vaelib.plots.images import plot_images, plot_reconstructions, plot_traversal
from vaelib.plots.latent import plot_kl_per_unit, plot_latent_map
from vaelib.plots.members import plot_members
from vaelib.plots.rate_distortion import plot_rate_distortion
from vaelib.plots.spectrum import plot_spectrum
from vaelib.plots.style import COLOURS, use_style

__all__ = [
    "COLOURS",
    "label_line_ends",
    "plot_curves",
    "plot_differences",
    "plot_images",
    "plot_kl_per_unit",
    "plot_latent_map",
    "plot_learning_curves",
    "plot_members",
    "plot_rate_distortion",
    "plot_reconstructions",
    "plot_spectrum",
    "plot_traversal",
    "plot_vae_history",
    "use_style",
]
