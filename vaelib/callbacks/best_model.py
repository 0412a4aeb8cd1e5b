"""Best-model tracking at β = 1 on validation data, from the end of the warm-up on."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vaelib._checks import argument_error, boolean, finite_float
from vaelib._files import atomic_path, writable_folder
from vaelib.callbacks.step_log import VAECallback
from vaelib.steps import Snapshot


class BestModel(VAECallback):
    """Keeps the weights of the epoch with the lowest `val_negative_elbo` and restores them when training ends.

    An epoch counts if some of it was trained after `warmup_end`, at the highest β: a model trained under a small
    β would win on a KL term that it has not paid for yet. Without any epoch that counts, the last weights stay
    and `best_epoch` is None.

    Args:
        warmup_end: epoch at which the schedule first reaches its highest β; 0 by default.
        path: file ending in `.weights.h5`, written at each improvement; none by default.
        monitor: name of the figure, lower is better; the callback that logs it comes first.
        restore: whether the model ends with the best weights; False keeps the last ones.
        overwrite: whether `path` may exist when training starts.

    Raises:
        ValueError: if an argument has the wrong type, `warmup_end` is negative or `path` has another ending; when
            training starts, if `path` cannot be written or holds earlier results; after the first epoch, if nothing has
            logged `monitor`.
    """

    def __init__(
        self,
        warmup_end: float = 0.0,
        path: str | os.PathLike[str] | None = None,
        monitor: str = "val_negative_elbo",
        restore: bool = True,
        overwrite: bool = False,
    ) -> None:
        super().__init__()
        self.warmup_end = finite_float("warmup_end", warmup_end, minimum=0)
        if path is not None and not isinstance(path, str | os.PathLike):
            raise argument_error("path", "be a path that ends in .weights.h5", path)
        if path is not None and not str(path).endswith(".weights.h5"):
            raise argument_error("path", "end in .weights.h5", str(path))
        self.path = None if path is None else Path(path)
        if not isinstance(monitor, str):
            raise argument_error("monitor", "be the name of a figure in the logs", monitor)
        self.monitor = monitor
        self.restore = boolean("restore", restore)
        self.overwrite = boolean("overwrite", overwrite)
        self.counted_from = math.floor(self.warmup_end)  # the first epoch that goes on past warmup_end
        self.best_epoch: int | None = None
        self.best = math.inf

    def on_train_begin(self, logs: Any = None) -> None:
        """Makes sure that the file can be written; forgets an earlier training."""
        if self.path is not None:
            writable_folder("path", self.path.parent, [self.path.name], self.overwrite)
        self.best_epoch, self.best = None, math.inf
        self._snapshot = Snapshot(self.model.variables)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Compares the epoch with the best so far."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            remedy = "Place the callback that logs it, such as ValidationMonitor, before BestModel."
            raise argument_error("monitor", f"be among the logs: {', '.join(logs or ())}", self.monitor, remedy)
        if epoch >= self.counted_from and value < self.best:
            self.best, self.best_epoch = value, epoch
            self._snapshot.save_if_finite()
            if self.path is not None:
                with atomic_path(self.path) as temporary:
                    self.model.save_weights(temporary)

    def get_state(self) -> dict[str, Any]:
        """Returns the best epoch, its figure and its weights; nothing as long as no epoch counts."""
        if self.best_epoch is None:
            return {}
        weights = {f"weights/{i}": value for i, value in enumerate(self._snapshot.saved)}
        return {"epoch": self.best_epoch, "figure": self.best, **weights}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Takes up what `get_state` returned."""
        if state:
            self.best_epoch, self.best = int(state["epoch"]), float(state["figure"])
            self._snapshot.saved = [state[f"weights/{i}"] for i in range(len(self._snapshot.saved))]

    def on_train_end(self, logs: Any = None) -> None:
        """Restores the best weights."""
        if self.restore and self.best_epoch is not None:
            self._snapshot.restore()
