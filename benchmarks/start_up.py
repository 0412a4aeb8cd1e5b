"""The time and weight of `import vaelib` and building a schedule."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.table import Row

CODE = """
import sys, time
start = time.perf_counter()
import vaelib
vaelib.LinearBetaScheduler(max_beta=1.0, warmup_epochs=10)
print(time.perf_counter() - start, *sorted({"tensorflow", "keras", "matplotlib"} & set(sys.modules)))
"""


def rows(folder: Path) -> list[Row]:
    """Returns the table's rows."""
    runs = [subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True) for _ in range(5)]
    outputs = [run.stdout.split() for run in runs]
    return [
        Row(
            "import vaelib and a schedule, fresh process", median(float(o[0]) for o in outputs), "s", ".2f", at_most=0.3
        ),
        Row("  of TensorFlow, Keras, matplotlib loaded", len(outputs[0]) - 1, "", "d", at_most=0),
    ]
