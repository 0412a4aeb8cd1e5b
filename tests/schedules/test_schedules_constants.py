"""The two constants of the documents, and what the weight means under their losses."""

import pytest

import vaelib
from vaelib.schedules import constants


def test_values_of_the_later_document() -> None:
    assert (vaelib.KL_WEIGHT, vaelib.KL_ANNEALING_EPOCHS) == (0.0001, 10)
    assert (constants.KL_WEIGHT, constants.KL_ANNEALING_EPOCHS) == (0.0001, 10)


def test_effective_beta_in_the_docstring() -> None:
    beta = vaelib.effective_beta(vaelib.KL_WEIGHT, n_pixels=64, n_latents=16)
    assert beta == pytest.approx(0.0004, rel=1e-12)
