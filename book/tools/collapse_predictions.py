"""How far the collapse of nonlinear models is foreseen: trainings at KL weights on both sides of the threshold.

`predict_collapse` sees the training data, the loss and the KL weight; each model is then trained, and what it encodes
is compared. The losses: a squared error with both terms as means, a variance that is fitted, and both Bernoulli
likelihoods.

Usage: python book/tools/collapse_predictions.py
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from zoo import DATA, drawn, fitted, in_processes, load, schedule, shown, unseen

from evidence import store
from vaelib import Objective, diagnose, predict_collapse

LABEL = "at a drawn weight"
NUMBERS = 100
RATIOS = (0.1, 10.0)  # of the KL weight to the smallest that collapses everything


def row(number: int) -> dict[str, Any]:
    """Returns what was foreseen and what came of one training."""
    setting, draws = drawn("test", LABEL, number)
    dataset = load(setting)
    likelihood = setting["likelihood"]
    kinds = ["fitted variance", "both means"] if likelihood == "gaussian" else [likelihood]
    setting["loss"] = draws.one_of(*kinds)
    means = {"likelihood": "mse", "reconstruction_scale": "mean", "kl_scale": "mean"}
    objective = Objective(**means) if setting["loss"] == "both means" else Objective(likelihood)
    ratio = draws.logarithmic(*RATIOS)
    threshold = predict_collapse(dataset.x_train, objective, 1.0, setting["latent_dim"]).collapse_weight
    setting["kl_weight"] = ratio * threshold
    setting["batch_size"] = min(setting["batch_size"], len(dataset.x_train))
    setting["epochs"] = max(5, round(setting["steps"] / math.ceil(len(dataset.x_train) / setting["batch_size"])))
    setting["schedule"] = schedule(LABEL, setting, draws)
    foreseen = predict_collapse(dataset.x_train, objective, setting["kl_weight"], setting["latent_dim"])
    diagnosis = diagnose(fitted(setting, dataset, objective, {}).model, unseen(dataset))
    return {
        **shown(setting),
        "ratio": ratio,
        "foreseen_collapse": foreseen.collapses,
        "foreseen_units": foreseen.units_kept,
        "collapsed": "collapsed" in diagnosis.names,
        "active_units": diagnosis.numbers["active_units"],
        "rate": float(f"{diagnosis.numbers['rate']:.4g}"),
    }


def main() -> int:
    """Trains all and stores the table."""
    table = []
    for entry in in_processes(row, range(NUMBERS)):
        table.append(entry)
        print(f"{len(table):4d}  ratio {entry['ratio']}: collapsed {entry['collapsed']}", flush=True)
    store("collapse", pd.DataFrame(table), Path(__file__), {"numbers": NUMBERS}, DATA)
    return 0


if __name__ == "__main__":
    sys.exit(main())
