"""The grid's work in PyTorch; a script of its own, for an interpreter that has it.

Its arguments are the files (.npy) of the training and the validation data. It prints the versions of PyTorch and of
pythae ("-" without it) and the model's number of weights. Then it answers each line of input:
`members WAY THREADS EPOCHS`: seconds of a step of one of 80 members that `torch.func.vmap` trains at once;
`pythae THREADS EPOCHS`: seconds of one training by pythae's own trainer.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

LATENT, BATCH, SEEDS, SCHEDULES = 16, 64, 10, 8


class Encoder(nn.Module):
    """64 numbers to means and log-variances, by way of 64 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Sequential(*(nn.Linear(64, 64), nn.ReLU()), *(nn.Linear(64, 32), nn.ReLU()))
        self.z_mean, self.z_log_var = nn.Linear(32, LATENT), nn.Linear(32, LATENT)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns means and log-variances, each (batch, LATENT)."""
        h = self.hidden(x)
        return self.z_mean(h), self.z_log_var(h)


def decoder() -> nn.Sequential:
    """Returns the encoder's mirror image."""
    return nn.Sequential(*(nn.Linear(LATENT, 32), nn.ReLU()), *(nn.Linear(32, 64), nn.ReLU()), nn.Linear(64, 64))


class VAE(nn.Module):
    """The model; calling it gives the loss."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(), decoder()

    def forward(self, x: torch.Tensor, noise: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
        """Returns the negative log-likelihood with the batch's optimal σ², plus β times the KL; nats per example."""
        z_mean, z_log_var = self.encoder(x)
        error = ((x - self.decoder(z_mean + torch.exp(0.5 * z_log_var) * noise)) ** 2).sum(dim=1)
        sigma2 = error.mean().detach() / x.shape[1]
        nll = 0.5 * (x.shape[1] * torch.log(2 * math.pi * sigma2) + error / sigma2).mean()
        kl = 0.5 * (torch.exp(z_log_var) + z_mean**2 - 1.0 - z_log_var).sum(dim=1).mean()
        return nll + beta * kl


class Members:
    """80 members stacked along one axis; those of a seed share the order of the data and the noise.

    Args:
        x: (n, 64) training data.
        way: "grad" maps the gradient; "sum" maps the loss and takes the gradient of all members' sum, which is the
            same, as none depends on another.
    """

    def __init__(self, x: torch.Tensor, way: str) -> None:
        self.x, self.way = x, way
        count = SEEDS * SCHEDULES
        self.weights, _ = stack_module_state([VAE() for _ in range(count)])
        self.betas = torch.linspace(0.1, 1.0, SCHEDULES).repeat(SEEDS)
        self.optimizer = torch.optim.Adam(self.weights.values(), 1e-3, fused=True)
        blank = VAE().to("meta")

        def loss(weights: Any, x: torch.Tensor, noise: torch.Tensor, beta: torch.Tensor) -> Any:
            return functional_call(blank, weights, (x, noise, beta))

        self.mapped: Callable[..., Any] = vmap(grad_and_value(loss) if way == "grad" else loss)

    def step(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Trains all members for one step on their (80, batch, …) data and noise; returns their losses."""
        if self.way == "grad":
            with torch.no_grad():  # of the outer kind, which would record the gradient itself
                gradients, losses = self.mapped(self.weights, x, noise, self.betas)
            for name, weight in self.weights.items():
                weight.grad = gradients[name]
        else:
            losses = self.mapped(self.weights, x, noise, self.betas)
            self.optimizer.zero_grad()
            losses.sum().backward()
        self.optimizer.step()
        return losses.detach()

    def epoch(self) -> torch.Tensor:
        """Trains for one epoch, the smaller last batch included; returns the members' sums of losses."""
        order = torch.stack([torch.randperm(len(self.x)) for _ in range(SEEDS)])
        sums = torch.zeros(len(self.betas))
        for index in order.split(BATCH, dim=1):
            noise = torch.randn(SEEDS, index.shape[1], LATENT)
            of_members = (values.repeat_interleave(SCHEDULES, 0) for values in (self.x[index], noise))
            sums += index.shape[1] * self.step(*of_members)
        return sums

    def step_seconds(self, epochs: int) -> float:
        """Returns the median over epochs of the mean step of one member."""
        times = []
        for _ in range(epochs):
            start = time.perf_counter()
            self.epoch()
            times.append(time.perf_counter() - start)
        return median(times) / math.ceil(len(self.x) / BATCH) / len(self.betas)


def pythae_seconds(x: np.ndarray, x_val: np.ndarray, epochs: int) -> float:
    """Returns the seconds of one training of the same layers, from building the model to its last file."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import BetaVAE, BetaVAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    class TheirEncoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = Encoder()

        def forward(self, x: torch.Tensor) -> Any:
            z_mean, z_log_var = self.network(x)
            return ModelOutput(embedding=z_mean, log_covariance=z_log_var)

    class TheirDecoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.network = decoder()

        def forward(self, z: torch.Tensor) -> Any:
            return ModelOutput(reconstruction=self.network(z))

    train, val = (BaseDataset(torch.from_numpy(data), torch.zeros(len(data))) for data in (x, x_val))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        start = time.perf_counter()
        config = BetaVAEConfig(input_dim=(64,), latent_dim=LATENT, reconstruction_loss="mse", beta=1.0)
        model = BetaVAE(config, encoder=TheirEncoder(), decoder=TheirDecoder())
        assert _size(model) == _size(VAE())
        options: dict[str, Any] = {"per_device_train_batch_size": BATCH, "per_device_eval_batch_size": 256}
        training = BaseTrainerConfig(folder, num_epochs=epochs, learning_rate=1e-3, no_cuda=True, **options)
        BaseTrainer(model, train, val, training).train()
        return time.perf_counter() - start


def _size(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def answers(x: np.ndarray, x_val: np.ndarray) -> Iterator[float]:
    """Answers line by line."""
    members = {way: Members(torch.from_numpy(x), way) for way in ("grad", "sum")}
    for line in sys.stdin:
        match line.split():
            case ["members", way, threads, epochs]:
                torch.set_num_threads(int(threads))
                yield members[way].step_seconds(int(epochs))
            case ["pythae", threads, epochs]:
                torch.set_num_threads(int(threads))
                yield pythae_seconds(x, x_val, int(epochs))


def main() -> None:
    """Says what is known and answers."""
    try:
        pythae = importlib.metadata.version("pythae")
    except importlib.metadata.PackageNotFoundError:
        pythae = "-"
    print(torch.__version__, pythae, _size(VAE()), flush=True)
    for seconds in answers(*(np.load(path).reshape(-1, 64) for path in sys.argv[1:])):
        print(seconds, flush=True)


if __name__ == "__main__":
    main()
