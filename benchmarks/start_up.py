"""The time and weight of `import vaelib` and building a schedule."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

CODE = """
import sys, time
start = time.perf_counter()
import vaelib
vaelib.LinearBetaScheduler(max_beta=1.0, warmup_epochs=10)
print(time.perf_counter() - start, *sorted({"tensorflow", "keras", "matplotlib"} & set(sys.modules)))
"""


def rows() -> list[tuple[str, str, str]]:
    """Returns the table's rows: what, measured, target."""
    runs = [subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True) for _ in range(5)]
    outputs = [run.stdout.split() for run in runs]
    loaded = ", ".join(outputs[0][1:]) or "none"
    return [
        ("import vaelib and a schedule, fresh process", f"{median(float(o[0]) for o in outputs):.2f} s", "< 0.30 s"),
        ("  of TensorFlow, Keras, matplotlib loaded", loaded, "none"),
    ]
