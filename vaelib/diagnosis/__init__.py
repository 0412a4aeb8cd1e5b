"""What is wrong with a trained VAE, from its arrays: findings with evidence and remedy. NumPy only."""

from vaelib.diagnosis.arrays import diagnose_arrays
from vaelib.diagnosis.findings import Diagnosis, Finding

__all__ = ["Diagnosis", "Finding", "diagnose_arrays"]
