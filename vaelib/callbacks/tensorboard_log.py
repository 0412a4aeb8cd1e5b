"""TensorBoard curves of KL weights and losses, batch by batch and epoch by epoch."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from vaelib._checks import argument_error, boolean
from vaelib._files import writable_folder
from vaelib.callbacks.step_log import StepReader

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


class TensorBoardLog(StepReader):
    """Writes the curves of the schedulers document for TensorBoard.

    - At every optimizer step, counted from 0, also where one call runs an epoch of steps: `Batch/KL_Loss`,
      `Batch/Total_Loss`, and `Batch/Beta` or `Batch/Global_KL_Weight` and `Batch/Local_KL_Weight`.
    - At every epoch, counted from 0: `Beta_Schedule/beta`, or `Beta_Schedule/global_kl_weight` and
      `Beta_Schedule/local_kl_weight`; for warm restarts `Beta_Schedule/Restart/last_restart_epoch`,
      `…/epochs_since_restart`, `…/is_restart_epoch`.
    - For a hierarchical model two runs of their own, `global` and `local`, that TensorBoard overlays:
      `Beta_Schedule/Hierarchical_Comparison`, and the restarts of each.

    The numbers are those of `StepLog` and of the history. Where a resumed training repeats an epoch that was
    interrupted, the points of its steps take the place of the earlier ones; an interruption between an epoch's points
    and its state leaves those of the epoch twice, with the same values. Place it after `BetaSchedule`, or give it to
    `train_vae`. Look at them with `tensorboard --logdir`.

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
        self.overwrite = boolean("overwrite", overwrite)
        self._resumed = self._begun = False
        self._files: dict[str, tf.io.TFRecordWriter] = {}

    def prepare(self, model: Any, resumed: bool = False) -> None:
        """Refuses the folder before anything is done; `fit` does so when its first epoch begins.

        Args:
            model: what will be trained.
            resumed: whether the training to come goes on with the event files of one that was interrupted, at
                whatever epoch.
        """
        self._check(model, resumed)
        self._resumed = resumed

    def _check(self, model: Any, resumed: bool) -> list[Path]:
        """Makes sure of the folders and returns their earlier event files, which may stay or go."""
        earlier = self.refuse_earlier(model, resumed)
        for run in self._runs(model):
            writable_folder("log_dir", self.log_dir / run, (), overwrite=True)
        return earlier

    def refuse_earlier(self, model: Any, resumed: bool) -> list[Path]:
        """Raises if the folder holds event files that are not to be overwritten or gone on with; creates nothing."""
        earlier = [path for run in self._runs(model) for path in (self.log_dir / run).glob("events.out.tfevents.*")]
        if earlier and not (self.overwrite or resumed):
            remedy = "Choose another folder or pass overwrite=True."
            raise argument_error("log_dir", "not hold event files of an earlier run", str(self.log_dir), remedy)
        return earlier

    @staticmethod
    def _runs(model: Any) -> tuple[str, ...]:
        return (".", *CHILDREN) if len(model.get_kl_weights()) > 1 else (".",)

    def on_train_begin(self, logs: Any = None) -> None:
        """Leaves the files of a training that was interrupted."""
        self._close()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Refuses the folder or clears it, before the first epoch."""
        super().on_epoch_begin(epoch, logs)
        self._written = 0
        if not self._begun:
            resumed = self._resumed or epoch > 0
            earlier = self._check(self.model, resumed)
            for path in [] if resumed else earlier:
                path.unlink()
            self._begun, self._resumed = True, False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Writes the steps of the last execution, whatever a `NaNGuard` has undone."""
        rows = self.model.steps.log(withdrawn=True)
        columns = {BATCH_TAGS[name]: i for i, name in enumerate(self.model.steps.columns) if name in BATCH_TAGS}
        new = rows[self._written :, list(columns.values())]
        self._write(".", self.first_step + self._written, list(columns), new)
        self._written = len(rows)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the epoch's own values."""
        logs = logs or {}
        self._write_epoch(".", epoch, {tag: logs.get(name) for name, tag in EPOCH_TAGS.items()})
        for child in CHILDREN:
            restarts = {tag: logs.get(f"{child}_{name}") for name, tag in EPOCH_TAGS.items() if "Restart" in tag}
            self._write_epoch(child, epoch, {COMPARISON: logs.get(f"{child}_kl_weight")} | restarts)

    def _write_epoch(self, run: str, epoch: int, values: dict[str, float | None]) -> None:
        known = {tag: value for tag, value in values.items() if value is not None}
        if known:
            self._write(run, epoch, list(known), np.array([list(known.values())]))

    def _write(self, run: str, first: int, tags: Sequence[str], rows: np.ndarray) -> None:
        """Adds one event a row: rows[i] are the values of `tags` at step first + i."""
        if run not in self._files:
            # an event file is a file of records whose first names the version
            path = self.log_dir / run / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"
            self._files[run] = tf.io.TFRecordWriter(str(path))
            start = SessionLog(status=SessionLog.START)  # readers drop what earlier files hold from this step on
            for said in ({"file_version": "brain.Event:2"}, {"step": first, "session_log": start}):
                self._files[run].write(Event(wall_time=time.time(), **said).SerializeToString())
        for step, row in enumerate(rows.tolist(), start=first):
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in zip(tags, row, strict=True)]
            event = Event(step=step, wall_time=time.time(), summary=Summary(value=values))
            self._files[run].write(event.SerializeToString())
        self._files[run].flush()

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the files."""
        self._close()

    def _close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files, self._begun = {}, False
