"""A progress bar over epochs, which keeps quiet where there is no terminal."""

from __future__ import annotations

from typing import Any

import keras
from tqdm import tqdm


class EpochProgress(keras.callbacks.Callback):
    """Shows a tqdm bar over epochs with the current losses; on a terminal only, so stored outputs stay clean."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the bar."""
        self._bar = tqdm(total=self.params["epochs"], unit="epoch", disable=None)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Advances the bar."""
        self._bar.set_postfix({key: f"{value:.4g}" for key, value in (logs or {}).items()}, refresh=False)
        self._bar.update()

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the bar."""
        self._bar.close()
