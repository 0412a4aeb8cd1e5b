"""The convolutional VAE of `conv.py` in eager PyTorch; a script of its own, for an interpreter that has PyTorch.

It prints version and number of weights, then for each line of input, a number of threads, the seconds of a step.
"""

from __future__ import annotations

import math
import sys
import time
from statistics import median

import torch
from torch import nn

SIDE, LATENT, BATCH, STEPS, EPOCHS = 28, 16, 64, 20, 6


class VAE(nn.Module):
    """Convolutions of 16 and 32 filters with batch normalisation, a dense layer of 64, and their mirror image."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(32 * 49, 64), nn.ReLU()),
        )
        self.z_mean, self.z_log_var = nn.Linear(64, LATENT), nn.Linear(64, LATENT)
        self.decoder = nn.Sequential(
            *(nn.Linear(LATENT, 64), nn.ReLU(), nn.Linear(64, 32 * 49), nn.ReLU(), nn.Unflatten(1, (32, 7, 7))),
            *(nn.ConvTranspose2d(32, 16, 3, 2, 1, output_padding=1), nn.BatchNorm2d(16), nn.ReLU()),
            nn.ConvTranspose2d(16, 1, 3, 2, 1, output_padding=1),
        )

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the negative ELBO with the batch's optimal σ², nats per example."""
        h = self.encoder(x)
        z_mean, z_log_var = self.z_mean(h), self.z_log_var(h)
        z = z_mean + torch.exp(0.5 * z_log_var) * torch.randn_like(z_mean)
        error = ((x - self.decoder(z)) ** 2).sum(dim=(1, 2, 3))
        sigma2 = error.mean().detach() / SIDE**2
        nll = 0.5 * (SIDE**2 * torch.log(2 * math.pi * sigma2) + error / sigma2).mean()
        kl = 0.5 * (torch.exp(z_log_var) + z_mean**2 - 1.0 - z_log_var).sum(dim=1).mean()
        return nll + kl


def step_seconds(model: VAE, optimizer: torch.optim.Optimizer, x: torch.Tensor) -> float:
    """Returns the median over epochs of the mean step."""
    epochs = []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        for batch in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            model.loss(x[batch]).backward()
            optimizer.step()
        epochs.append((time.perf_counter() - start) / STEPS)
    return median(epochs)


def main() -> None:
    """Answers line by line."""
    model, x = VAE(), torch.rand(STEPS * BATCH, 1, SIDE, SIDE)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    print(torch.__version__, sum(weight.numel() for weight in model.parameters()), flush=True)
    for line in sys.stdin:
        torch.set_num_threads(int(line))
        print(step_seconds(model, optimizer, x), flush=True)


if __name__ == "__main__":
    main()
