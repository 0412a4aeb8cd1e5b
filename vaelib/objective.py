"""The training objective: a likelihood, the KL divergence, and the two scale factors between them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from vaelib._checks import argument_error, finite_float, one_of, positive_int
from vaelib._loss_arguments import LIKELIHOODS, checked_bounds, checked_scale, checked_sigma2, scale_factor
from vaelib.kl import Latents, gaussian_kl
from vaelib.likelihood import check_support, distortion, expected_x, gaussian_nll


class Terms(NamedTuple):
    """What a model computes for a batch, before any sum or mean over it.

    `output` of the decoder; `distortion` (batch,), the error before any σ²; `reconstruction` (batch,) in nats; one
    `Latents` for each group of latent units.
    """

    output: Any
    distortion: Any
    reconstruction: Any
    latents: tuple[Latents, ...]


class Losses(NamedTuple):
    """The scalars that training minimises and logs; `group_kl` holds the KL of each group of latent units."""

    total_loss: Any
    reconstruction_loss: Any
    kl_loss: Any
    group_kl: tuple[Any, ...]


class Objective:
    """Turns a model's terms into the loss: s_r · reconstruction + β · s_k · KL.

    Reconstruction is the negative log-likelihood in nats, summed over the pixels of an example; the KL is
    summed over the latent units; both are averaged over the batch. With both scale factors "sum" and β = 1
    the loss is the negative ELBO. With "mean" a term is divided by its number of pixels or units, which
    changes what β means: `effective_beta` says to what.

    Args:
        likelihood: "gaussian" (default); "mse", the squared error as the documents use it, which is the
            Gaussian with σ² = ½ less its constant; "bernoulli" for data of zeros and ones;
            "continuous_bernoulli" for data in [0, 1].
        sigma2: variance of the Gaussian decoder, one number for all pixels. "optimal" (default): the mean
            squared error of the batch, at which the likelihood is highest (σ-VAE); "learned": a trained
            variable of the model; or a number >= exp(−12), the floor of all three. Gaussian likelihood only.
        reconstruction_scale: s_r: "sum" (1, default), "mean" (1 / number of pixels) or a number > 0.
        kl_scale: s_k: "sum" (1, default), "mean" (1 / latent_dim) or a number > 0.
        free_bits: λ >= 0 in nats: each unit's KL, averaged over the batch, counts as λ where it is below λ:
            Σ_j max(λ, E[KL_j]). None, the default, leaves it out.
        capacity: C >= 0 in nats: β · abs(E[KL] − C) takes the place of β · E[KL], so that β is Burgess' γ. The number
            is where C starts; `CapacityBetaScheduler` moves it. None, the default, leaves it out.
        kl_clip: (lower, upper) between which the log-variance is clipped inside the loss's KL and nowhere else, as in
            the KL-fix document; None, the default, uses the exact KL. The sampler still uses the unclipped variance,
            so outside the bounds the KL has no gradient while the noise keeps growing or shrinking:
            `log_var_bounds` of the encoder bounds both.

    The logged `kl_loss` is the exact KL, whatever the loss makes of it; `total_loss` is what is minimised.

    Raises:
        ValueError: for an unknown likelihood, a σ² below exp(−12), a σ² given to another likelihood, numbers out of
            range, or `free_bits` together with `capacity`.

    Source: β: Higgins et al. (2017). Optimal σ²: Rybkin et al. (2021), arXiv 2006.13202; the variance has the
        hard floor log σ >= −6 in place of that paper's soft one, which would shift every σ². Continuous
        Bernoulli: Loaiza-Ganem & Cunningham (2019), arXiv 1907.06845. Free bits: Kingma et al. (2016), arXiv
        1606.04934. Capacity: Burgess et al. (2018), arXiv 1804.03599, with the absolute value outside the mean over
        the batch.

    >>> objective = Objective("mse", reconstruction_scale="mean", kl_scale="mean")
    >>> objective.effective_beta(1.0, n_pixels=784, n_latents=10)
    78.4
    """

    def __init__(
        self,
        likelihood: str = "gaussian",
        sigma2: str | float | None = None,
        reconstruction_scale: str | float = "sum",
        kl_scale: str | float = "sum",
        free_bits: float | None = None,
        capacity: float | None = None,
        kl_clip: tuple[float, float] | None = None,
    ) -> None:
        self.likelihood = one_of("likelihood", likelihood, LIKELIHOODS)
        if likelihood == "gaussian":
            self.sigma2: str | float | None = checked_sigma2(sigma2)
        elif sigma2 is None:
            self.sigma2 = None
        else:
            raise argument_error("sigma2", f"be left out with likelihood={likelihood!r}, which has no σ²", sigma2)
        self.reconstruction_scale = checked_scale("reconstruction_scale", reconstruction_scale)
        self.kl_scale = checked_scale("kl_scale", kl_scale)
        self.free_bits = None if free_bits is None else finite_float("free_bits", free_bits, minimum=0)
        self.capacity = None if capacity is None else finite_float("capacity", capacity, minimum=0)
        if self.free_bits is not None and self.capacity is not None:
            raise argument_error(
                "capacity", "be left out with free_bits: the loss has one transform of the KL", capacity
            )
        self.kl_clip = checked_bounds("kl_clip", kl_clip)

    @property
    def has_sigma2(self) -> bool:
        """Whether the likelihood is a Gaussian (the plain squared error included), so that σ² can be re-fitted."""
        return self.likelihood in ("gaussian", "mse")

    @property
    def in_nats(self) -> bool:
        """Whether both terms are nats per example: a proper likelihood, both scale factors "sum"."""
        return self.likelihood != "mse" and (self.reconstruction_scale, self.kl_scale) == ("sum", "sum")

    def distortion(self, x: Any, output: Any) -> Any:
        """Returns the error of each example before any σ²: (batch,).

        The squared error summed over pixels for "gaussian" and "mse", the negative log-likelihood in nats
        otherwise.

        Args:
            x: (batch, …) data.
            output: decoder output of the same shape: means for "gaussian" and "mse", logits otherwise.
        """
        return distortion(self.likelihood, x, output)

    def reconstruction(self, distortion: Any, n_pixels: int, log_sigma2: Any = None) -> Any:
        """Returns the negative log-likelihood in nats (for "mse" less its constant) from the distortion: (batch,).

        Args:
            distortion: (batch,), from `distortion`.
            n_pixels: number of pixels of an example.
            log_sigma2: log σ², the model's variable when it is learned; replaces the batch's own where σ² is
                "optimal".
        """
        if self.likelihood != "gaussian":
            return distortion
        if isinstance(self.sigma2, float):
            log_sigma2 = math.log(self.sigma2)
        elif self.sigma2 == "learned" and log_sigma2 is None:
            raise argument_error("log_sigma2", "be given when σ² is learned", None)
        elif log_sigma2 is None:
            # at its optimum the likelihood is flat in σ², so no gradient passes through it
            log_sigma2 = ops.log(ops.stop_gradient(ops.mean(distortion)) / n_pixels + 1e-30)
        if not isinstance(log_sigma2, float):
            log_sigma2 = ops.cast(log_sigma2, distortion.dtype)
        return gaussian_nll(distortion, n_pixels, log_sigma2)

    def mean(self, output: Any) -> Any:
        """Returns the expected x for a decoder output: the output itself, or the (continuous) Bernoulli's mean."""
        return expected_x(self.likelihood, output)

    def latents(self, z_mean: Any, z_log_var: Any, prior_mean: Any = 0.0, prior_log_var: Any = 0.0) -> Latents:
        """Returns one group of latent units with its KL from the prior, exact and as the loss takes it."""
        kl = gaussian_kl(z_mean, z_log_var, prior_mean, prior_log_var)
        if self.kl_clip is None:
            return Latents(z_mean, z_log_var, kl, kl)
        clipped = ops.clip(z_log_var, *self.kl_clip)
        return Latents(z_mean, z_log_var, kl, gaussian_kl(z_mean, clipped, prior_mean, prior_log_var))

    def kl_term(self, kl: Any, capacity: Any = None) -> Any:
        """Returns what the loss minimises of a group's KL, in nats: E[KL] or its transform.

        Args:
            kl: (batch, latent_dim).
            capacity: C, where the objective has one.
        """
        if self.free_bits is not None:
            return ops.sum(ops.maximum(ops.mean(kl, axis=0), self.free_bits))  # mean over the batch, then the units
        total = ops.mean(ops.sum(kl, axis=-1))  # sum over latents, mean over the batch
        return total if self.capacity is None else ops.abs(total - capacity)

    def losses(self, terms: Terms, weights: Any, capacity: Any = None) -> Losses:
        """Returns the scalar losses of a batch.

        Args:
            terms: a model's terms.
            weights: the KL weight β, or one weight for each group of latent units.
            capacity: C, where the objective has one; its start by default.
        """
        n_pixels = math.prod(terms.output.shape[1:])
        capacity = self.capacity if capacity is None else capacity
        weights = weights if isinstance(weights, list | tuple) else [weights]
        scales = [self.scales(n_pixels, latents.kl.shape[-1]) for latents in terms.latents]
        reconstruction_loss = scales[0][0] * ops.mean(terms.reconstruction)  # mean over the batch
        total_loss, group_kl = reconstruction_loss, []
        for (_, s_k), weight, latents in zip(scales, weights, terms.latents, strict=True):
            total_loss = total_loss + weight * (s_k * self.kl_term(latents.kl_in_loss, capacity))
            group_kl.append(s_k * ops.mean(ops.sum(latents.kl, axis=-1)))
        return Losses(total_loss, reconstruction_loss, sum(group_kl[1:], group_kl[0]), tuple(group_kl))

    def scales(self, n_pixels: int, n_latents: int) -> tuple[float, float]:
        """Returns the two scale factors (s_r, s_k) as numbers."""
        return scale_factor(self.reconstruction_scale, n_pixels), scale_factor(self.kl_scale, n_latents)

    def effective_beta(self, kl_weight: float, n_pixels: int, n_latents: int) -> float:
        """Returns the β of the negative ELBO that this loss equals, up to a factor: kl_weight · s_k / s_r.

        For "mse" that is the β under σ² = ½, the reading of a squared error without ½;
        `vaelib.effective_beta` has other readings.
        """
        s_r, s_k = self.scales(positive_int("n_pixels", n_pixels), positive_int("n_latents", n_latents))
        return finite_float("kl_weight", kl_weight, minimum=0) * s_k / s_r

    def implied_sigma2(self, kl_weight: float, n_pixels: int, n_latents: int) -> float:
        """Returns the decoder variance at which a loss with plain squared error is a negative ELBO with β = 1.

        σ² = kl_weight · s_k / (2 s_r).

        Raises:
            ValueError: for other likelihoods, which state their σ² or have none.
        """
        if self.likelihood != "mse":
            raise argument_error("likelihood", "be 'mse': other likelihoods imply no σ²", self.likelihood)
        return self.effective_beta(kl_weight, n_pixels, n_latents) / 2

    def check(self, name: str, x: np.ndarray) -> None:
        """Raises a ValueError if the values of `x` lie outside the likelihood's support."""
        check_support(self.likelihood, name, x)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that rebuild the objective; `Objective(**config)` does."""
        return {
            "likelihood": self.likelihood,
            "sigma2": self.sigma2,
            "reconstruction_scale": self.reconstruction_scale,
            "kl_scale": self.kl_scale,
            "free_bits": self.free_bits,
            "capacity": self.capacity,
            "kl_clip": self.kl_clip,
        }

    def __repr__(self) -> str:
        given = {key: value for key, value in self.get_config().items() if value is not None}
        return f"Objective({', '.join(f'{key}={value!r}' for key, value in given.items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Objective) and self.get_config() == other.get_config()

    __hash__ = None  # type: ignore[assignment]
