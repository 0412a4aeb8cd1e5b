"""What an interrupted training needs to go on as if nothing had happened, in one file written after each epoch."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tokenize import TokenError  # what NumPy raises for some damaged headers
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np

from vaelib._checks import Described, argument_error
from vaelib._files import atomic_path
from vaelib.callbacks.step_log import VAECallback

# the memory of Keras' callbacks that wait for an improvement
PATIENCE = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter")


class TrainingState(VAECallback):
    """Writes the state of a training after each epoch, and restores it in another process.

    The state holds the model and its optimizer, the feedback schedules, the best weights so far, what early stopping
    and the learning rate are waiting for, the history and every step. The order of the data, noise and dropout are
    functions of seed, epoch and step and need none. So a resumed training ends with the same weights and the same
    history, bit for bit, as one that was never interrupted. Further callbacks of the caller begin anew.

    Place it after all others.

    Args:
        path: the file, a `.npz` that holds no pickled objects.
        settings: what must be the same when the training goes on, by argument name.

    Attributes:
        followed: the training's own callbacks, whose state belongs to it.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self.path = path
        self.settings = json.loads(json.dumps(settings, default=repr))
        self.epochs_done = 0
        self.stopped = False
        self.history: dict[str, list[float]] = {}
        self.followed: Sequence[keras.callbacks.Callback] = ()
        self._stored: dict[str, np.ndarray] = {}
        self._waiting: list[dict[str, Any]] = []

    def read(self) -> None:
        """Reads the file and changes nothing yet.

        Raises:
            ValueError: if the file is damaged, or was written with other settings.
        """
        arrays = _read(self.path)
        notes = json.loads(str(arrays.pop("notes")))
        for name, value in self.settings.items():
            if differences := list(_differences(notes["settings"].get(name), value)):
                place, before, now = differences[-1]
                received = Described(
                    f"{now!r}{place and f' at {place}'}, where the interrupted training had {before!r}"
                )
                remedy = "Repeat its arguments, or start anew with overwrite=True."
                raise argument_error(name, "be as before to resume a training", received, remedy)
        self.epochs_done, self.stopped = notes["epochs_done"], notes["stopped"]
        self.history, self._waiting, self._stored = notes["history"], notes["waiting"], arrays

    def restore(self, model: Any) -> None:
        """Gives model and optimizer the values that were read."""
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        for name, variables in _variables(model).items():
            for i, variable in enumerate(variables):
                variable.assign(self._stored[f"{name}/{i}"])

    def on_train_begin(self, logs: Any = None) -> None:
        """Gives the callbacks what they remembered; a training that begins anew removes the state of an earlier one."""
        if not self.epochs_done:
            self.path.unlink(missing_ok=True)
        for callback, memory in zip(self.followed, self._waiting, strict=False):
            for name, value in memory.items():
                setattr(callback, name, value)
        for prefix, callback in self._own() if self._stored else ():
            own = {key.removeprefix(prefix): v for key, v in self._stored.items() if key.startswith(prefix)}
            callback.set_state(own)
        self._stored, self._waiting = {}, []

    def _own(self) -> list[tuple[str, VAECallback]]:
        """The callbacks of this library, each after the prefix of its entries in the file."""
        return [(f"{type(each).__name__}/", each) for each in self.followed if isinstance(each, VAECallback)]

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the file, whole or not at all."""
        self.epochs_done = epoch + 1
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value if isinstance(value, int) else float(value))
        arrays: dict[str, Any] = {}
        for name, variables in _variables(self.model).items():
            arrays |= {f"{name}/{i}": np.asarray(variable) for i, variable in enumerate(variables)}
        for prefix, callback in self._own():
            arrays |= {f"{prefix}{key}": value for key, value in callback.get_state().items()}
        notes = {
            "settings": self.settings,
            "epochs_done": self.epochs_done,
            "stopped": bool(self.model.stop_training),
            "history": self.history,
            "waiting": [_memory(callback) for callback in self.followed],
        }
        with atomic_path(self.path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, notes=np.array(json.dumps(notes)), **arrays)


def fingerprint(array: np.ndarray) -> str:
    """Returns an array's shape and a checksum of its bytes."""
    return f"{array.shape} {zlib.crc32(np.ascontiguousarray(array).data):08x}"


def _differences(before: Any, now: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two nested settings differ, each with both values."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            yield from _differences(before.get(key), now.get(key), f"{place}.{key}".lstrip("."))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for i, pair in enumerate(zip(before, now, strict=True)):
            yield from _differences(*pair, f"{place}[{i}]")
    elif before != now:
        yield place, before, now


def _variables(model: Any) -> dict[str, list[Any]]:
    return {"model": model.variables, "optimizer": model.optimizer.variables}


def _memory(callback: Any) -> dict[str, Any]:
    if not isinstance(callback, keras.callbacks.EarlyStopping | keras.callbacks.ReduceLROnPlateau):
        return {}
    found = {name: getattr(callback, name) for name in PATIENCE if hasattr(callback, name)}
    return {name: value if value is None else float(value) for name, value in found.items()}


def _read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        dict(json.loads(str(arrays["notes"]))["settings"])
    except (OSError, EOFError, ValueError, KeyError, AttributeError, TypeError, BadZipFile, TokenError, zlib.error):
        remedy = "Remove it, or start anew with overwrite=True."
        raise argument_error("output", "hold a readable training state", str(path), remedy) from None
    return arrays
