"""The diagnosis during training: each finding is said once, when it has held for some epochs."""

from __future__ import annotations

from typing import Any

from vaelib._checks import positive_int
from vaelib.callbacks.step_log import VAECallback
from vaelib.diagnosis._rules import examine
from vaelib.diagnosis._training_facts import training_facts
from vaelib.evaluation._model_case import known_of, model_case, spectrum_left

WATCHED = ("mis-scaled loss", "dead log-variance gradient", "exploding KL", "collapsed", "partly collapsed")


class CollapseMonitor(VAECallback):
    """Applies the rules of `diagnose` after each epoch and prints a finding once, when it happens.

    A finding is said in the first epoch in which it has held `patience` times in a row. Looked for is none before
    `from_epoch` and before the first `min_steps` optimizer steps: a β that has yet to rise looks like an explosion, and
    a model that has yet to be trained like a collapse. Whether a schedule ends and whether a model overfits shows at
    the end, where `diagnose` says it.

    Args:
        validation_data: (n, …) data of the model's shape, n >= 2; some hundred examples do. For a model with a
            condition the pair (data, conditions).
        from_epoch: the 0-based epoch in which the schedule's warm-up has ended; 0 by default.
        patience: epochs in a row, >= 1; 3 by default.
        min_steps: optimizer steps before the first examination, >= 0; 300 by default.

    Attributes:
        found: the findings said so far, by name.

    Raises:
        ValueError: if a number is out of range; when training starts, if the data is no data of the model or constant.
    """

    def __init__(self, validation_data: Any, from_epoch: int = 0, patience: int = 3, min_steps: int = 300) -> None:
        super().__init__()
        self.validation_data = validation_data
        self.from_epoch = positive_int("from_epoch", from_epoch, minimum=0)
        self.patience = positive_int("patience", patience)
        self.min_steps = positive_int("min_steps", min_steps, minimum=0)
        self.found: dict[str, str] = {}
        self._held: dict[str, int] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        """Checks the data and computes its spectrum, once for all epochs."""
        self._data = self.model.check("validation_data", self.validation_data)
        self._eigenvalues = spectrum_left(self.model, self._data)
        self.found, self._held = {}, {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Examines the model as it is now."""
        if epoch < self.from_epoch or int(self.model.optimizer.iterations) < self.min_steps:
            return
        case = model_case(self.model, self._data, self._eigenvalues, facts=training_facts(known_of(self.model)))
        if not case.is_finite:
            return  # NaNGuard's business
        findings = {finding.name: finding for finding in examine(case, WATCHED).findings}
        self._held = {name: self._held.get(name, 0) + 1 for name in findings}
        for name, finding in findings.items():
            if name not in self.found and self._held[name] >= self.patience:
                self.found[name] = str(finding)
                print(f"epoch {epoch + 1}: {finding}")
