from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from vaelib.plots import plot_spectrum

VALUES = [2.0, 1.0, 0.5, 0.1, 1e-18, 0.0]


def drawn(ax: Any) -> list[Any]:
    return [tuple(np.asarray(data).tolist() for data in line.get_data()) for line in ax.lines]


def test_spectrum_alone() -> None:
    ax = plot_spectrum(VALUES)
    assert drawn(ax)[0] == ([1, 2, 3, 4], [2.0, 1.0, 0.5, 0.1])
    assert drawn(ax)[1] == ([], [])
    assert len(ax.texts) == 0
    assert ax.get_yscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("direction, by variance", "variance λ (squared data units)")


def test_threshold_divides_kept_from_collapsed() -> None:
    _, own = plt.subplots()
    ax = plot_spectrum(VALUES, threshold=1.0, ax=own)
    assert ax is own
    kept, collapsed, line = drawn(ax)
    assert kept == ([1], [2.0])
    assert collapsed == ([2, 3, 4], [1.0, 0.5, 0.1])
    assert line[1] == [1.0, 1.0]
    assert ax.lines[0].get_color() != ax.lines[1].get_color()
    assert [text.get_text() for text in ax.texts] == ["collapse threshold βσ² = 1", "1 kept", "5 not kept"]


def test_a_low_threshold_is_labelled_at_the_other_side() -> None:
    high = plot_spectrum(VALUES, threshold=3.0).texts
    low = plot_spectrum(VALUES, threshold=1e-3, label="w = 0.001").texts
    assert low[0].get_text() == "w = 0.001"
    assert [text.get_text() for text in low[1:]] == ["4 kept", "2 not kept"]
    assert (high[0].get_ha(), low[0].get_ha()) == ("right", "left")
    assert (high[1].get_ha(), low[1].get_ha()) == ("left", "right")


def test_no_more_directions_are_kept_than_there_are_units() -> None:
    ax = plot_spectrum(VALUES, threshold=0.2, n_latents=2)
    kept, others, _ = drawn(ax)
    assert kept == ([1, 2], [2.0, 1.0])
    assert others == ([3, 4], [0.5, 0.1])
    assert [text.get_text() for text in ax.texts[1:]] == ["2 of 2 units kept", "3 of 6 directions above"]


@pytest.mark.parametrize("order", [[5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]])
@pytest.mark.parametrize("arguments", [{}, {"threshold": 0.2}, {"threshold": 0.2, "n_latents": 2}])
def test_the_order_of_the_eigenvalues_does_not_matter(order: Any, arguments: Any) -> None:
    sorted_, other = plot_spectrum(VALUES, **arguments), plot_spectrum(np.array(VALUES)[order], **arguments)
    assert drawn(other) == drawn(sorted_)
    assert [text.get_text() for text in other.texts] == [text.get_text() for text in sorted_.texts]


def test_eigenvalues_as_eigvalsh_returns_them() -> None:
    ax = plot_spectrum(np.linalg.eigvalsh(np.diag([4.0, 1.0, 2.0])), threshold=1.5, n_latents=1)
    assert drawn(ax)[:2] == [([1], [4.0]), ([2, 3], [2.0, 1.0])]
    assert [text.get_text() for text in ax.texts[1:]] == ["1 of 1 units kept", "2 of 3 directions above"]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"eigenvalues": [[1.0]]}, "eigenvalues"),
        ({"eigenvalues": []}, "eigenvalues"),
        ({"eigenvalues": [0.0, 0.0]}, "eigenvalues"),
        ({"eigenvalues": [1.0], "threshold": 0.0}, "threshold"),
        ({"eigenvalues": [1.0], "n_latents": 0}, "n_latents"),
    ],
)
def test_spectra_that_cannot_be_drawn(arguments: Any, name: Any) -> None:
    with pytest.raises(ValueError, match=f"Argument `{name}` must"):
        plot_spectrum(**arguments)
    assert plt.get_fignums() == []
