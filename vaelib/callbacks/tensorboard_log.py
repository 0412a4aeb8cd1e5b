"""TensorBoard curves of KL weights and losses, batch by batch and epoch by epoch."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from vaelib._checks import argument_error
from vaelib._files import writable_folder
from vaelib.callbacks.step_log import StepLog

BATCH_TAGS = {
    "kl_loss": "Batch/KL_Loss",
    "beta": "Batch/Beta",
    "global_kl_weight": "Batch/Global_KL_Weight",
    "local_kl_weight": "Batch/Local_KL_Weight",
    "total_loss": "Batch/Total_Loss",
}
EPOCH_TAGS = {name: f"Beta_Schedule/{name}" for name in ("beta", "global_kl_weight", "local_kl_weight")} | {
    name: f"Beta_Schedule/Restart/{name}" for name in ("last_restart_epoch", "epochs_since_restart", "is_restart_epoch")
}
COMPARISON = "Beta_Schedule/Hierarchical_Comparison"
CHILDREN = ("global", "local")


class TensorBoardLog(StepLog):
    """Writes the curves of the schedulers document for TensorBoard.

    - For every optimizer step, also where one call runs an epoch of steps: `Batch/KL_Loss`, `Batch/Total_Loss`, and
      `Batch/Beta` or `Batch/Global_KL_Weight` and `Batch/Local_KL_Weight`.
    - For every epoch: `Beta_Schedule/beta`, or `Beta_Schedule/global_kl_weight` and `Beta_Schedule/local_kl_weight`;
      for warm restarts `Beta_Schedule/Restart/last_restart_epoch`, `…/epochs_since_restart`, `…/is_restart_epoch`.
    - For a hierarchical model two runs of their own, `global` and `local`, that TensorBoard overlays:
      `Beta_Schedule/Hierarchical_Comparison`, and the restarts of each.

    The numbers are those of the logs that the callbacks before it have filled, and so of the history: place it after
    `BetaSchedule`, or give it to `train_vae`. Look at them with `tensorboard --logdir`.

    Args:
        log_dir: folder of the run, created when training starts.
        overwrite: whether event files that `log_dir` already holds are removed; a training that begins at a later
            epoch goes on with them.

    Raises:
        ValueError: when training starts, if `log_dir` cannot be written or holds event files.
    """

    def __init__(self, log_dir: str | os.PathLike[str], overwrite: bool = False) -> None:
        super().__init__()
        if not isinstance(log_dir, str | os.PathLike):
            raise argument_error("log_dir", "be the path of a folder", log_dir)
        self.log_dir = Path(log_dir)
        self.overwrite = overwrite
        self._writers: dict[str, EventFileWriter] = {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Opens the run's files before the first epoch."""
        super().on_epoch_begin(epoch, logs)
        if not self._writers:
            hierarchical = len(self.model.get_kl_weights()) > 1
            self._open(("", *CHILDREN) if hierarchical else ("",), resumed=epoch > 0)

    def _open(self, runs: tuple[str, ...], resumed: bool) -> None:
        earlier = [path for run in runs for path in (self.log_dir / run).glob("events.out.tfevents.*")]
        if earlier and not (self.overwrite or resumed):
            remedy = "Choose another folder or pass overwrite=True."
            raise argument_error("log_dir", "not hold event files of an earlier run", str(self.log_dir), remedy)
        for path in earlier if not resumed else []:
            path.unlink()
        for run in runs:
            folder = writable_folder("log_dir", self.log_dir / run, (), overwrite=True)
            self._writers[run] = EventFileWriter(str(folder))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the epoch's steps and the epoch's own values."""
        super().on_epoch_end(epoch, logs)
        _, first_step, rows = self._epochs[-1]
        columns = [(i, BATCH_TAGS[name]) for i, name in enumerate(self._columns) if name in BATCH_TAGS]
        self._write("", first_step, [tag for _, tag in columns], rows[:, [i for i, _ in columns]])
        logs = logs or {}
        self._write_epoch("", epoch, {tag: logs[name] for name, tag in EPOCH_TAGS.items() if name in logs})
        for child in self._writers.keys() & set(CHILDREN):
            values = {COMPARISON: logs[f"{child}_kl_weight"]} if f"{child}_kl_weight" in logs else {}
            restarts = {tag: logs.get(f"{child}_{name}") for name, tag in EPOCH_TAGS.items() if "Restart" in tag}
            self._write_epoch(child, epoch, values | {tag: v for tag, v in restarts.items() if v is not None})
        for writer in self._writers.values():
            writer.flush()

    def _write_epoch(self, run: str, epoch: int, values: dict[str, float]) -> None:
        if values:
            self._write(run, epoch, list(values), np.array([list(values.values())]))

    def _write(self, run: str, first: int, tags: list[str], rows: np.ndarray) -> None:
        """One event a row: rows[i] are the values of `tags` at step first + i."""
        for step, row in enumerate(rows.tolist(), start=first):
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in zip(tags, row, strict=True)]
            self._writers[run].add_event(Event(step=step, wall_time=time.time(), summary=Summary(value=values)))

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers = {}
