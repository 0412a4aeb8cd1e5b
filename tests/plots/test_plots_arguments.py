from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from vaelib import paired_differences, plots

IMAGES = np.zeros((2, 4, 4))
HISTORY = pd.DataFrame(
    {
        "schedule": ["constant", "linear"] * 2,
        "seed": [0, 0, 1, 1],
        "epoch": 0,
        "val_negative_elbo": [3.0, 1.0, 4.0, 2.5],
    }
)
DIFFERENCES = paired_differences(HISTORY, "val_negative_elbo", smallest_effect=0.5)
PLOTS: dict[str, Callable[..., Any]] = {
    "plot_curves": lambda ax: plots.plot_curves({"a": [1.0, 2.0]}, ax=ax),
    "plot_differences": lambda ax: plots.plot_differences(DIFFERENCES, ax=ax),
    "plot_images": lambda ax: plots.plot_images(IMAGES, ax=ax),
    "plot_kl_per_unit": lambda ax: plots.plot_kl_per_unit([1.0, 2.0], ax=ax),
    "plot_latent_map": lambda ax: plots.plot_latent_map(np.eye(3), ax=ax),
    "plot_learning_curves": lambda ax: plots.plot_learning_curves(HISTORY, ax=ax),
    "plot_members": lambda ax: plots.plot_members(HISTORY, "val_negative_elbo", ax=ax),
    "plot_rate_distortion": lambda ax: plots.plot_rate_distortion([1.0], [2.0], ax=ax),
    "plot_reconstructions": lambda ax: plots.plot_reconstructions(IMAGES, IMAGES, ax=ax),
    "plot_spectrum": lambda ax: plots.plot_spectrum([2.0, 1.0], 1.5, ax=ax),
    "plot_traversal": lambda ax: plots.plot_traversal(IMAGES[np.newaxis], [0.0, 1.0], ax=ax),
}


def test_every_plot_is_here() -> None:
    taking_three = {"plot_vae_history"}
    assert PLOTS.keys() == {name for name in plots.__all__ if name.startswith("plot_")} - taking_three


@pytest.mark.parametrize("name", PLOTS)
def test_plots_draw_on_the_axes_they_get(name: str) -> None:
    figure, (own, other) = plt.subplots(1, 2)
    assert PLOTS[name](own) is own
    assert own.has_data()
    assert not other.has_data()
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("ax", [5, True, "ax", np.nan])
def test_what_is_no_axes(name: str, ax: Any) -> None:
    with pytest.raises(ValueError, match=f"^Argument `ax` must be a matplotlib Axes. Received: ax={ax!r}"):
        PLOTS[name](ax)
    assert plt.get_fignums() == []
