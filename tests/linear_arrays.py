"""Arrays of linear VAEs at their optimum: what a diagnosis must say of them is known beforehand."""

from __future__ import annotations

import numpy as np

VARIANCES = np.array([9.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.05, 0.05, 0.05, 0.05])


def gaussian_data(n: int = 400, seed: int = 0) -> np.ndarray:
    """n examples whose covariance is exactly diag(VARIANCES)."""
    raw = np.random.default_rng(seed).normal(size=(n, len(VARIANCES)))
    raw -= raw.mean(axis=0)
    whitened = raw @ np.linalg.inv(np.linalg.cholesky(raw.T @ raw / n)).T
    return whitened * np.sqrt(VARIANCES)


def optimum(x: np.ndarray, level: float, units: int = 6, seed: int = 1) -> dict[str, np.ndarray]:
    """The arrays of the linear VAE with β σ² = level, its reconstructions from one draw of z."""
    n = len(x)
    kept = int((VARIANCES[:units] > level).sum())
    shrunk = np.sqrt(VARIANCES[:kept] - level)  # the decoder's weights
    z_mean, z_log_var = np.zeros((n, units)), np.zeros((n, units))
    z_mean[:, :kept] = x[:, :kept] * shrunk / VARIANCES[:kept]
    z_log_var[:, :kept] = np.log(level / VARIANCES[:kept])
    z = z_mean + np.exp(z_log_var / 2) * np.random.default_rng(seed).normal(size=(n, units))
    reconstructed = np.zeros_like(x)
    reconstructed[:, :kept] = z[:, :kept] * shrunk
    return {"x": x, "x_reconstructed": reconstructed, "z_mean": z_mean, "z_log_var": z_log_var}
