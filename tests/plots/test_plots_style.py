from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from vaelib.plots import COLOURS, use_style
from vaelib.plots.style import CLASS_COLOURS, CYCLE, DARK_PAGE, LIGHT_PAGE, contrast, luminance, readable

EVERY = sorted({*COLOURS.values(), *CYCLE, *CLASS_COLOURS})


def test_contrast_of_known_pairs() -> None:
    assert luminance("white") == pytest.approx(1.0)
    assert luminance("black") == 0.0
    assert contrast("#767676", "#ffffff") == contrast("#ffffff", "#767676") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("page", [LIGHT_PAGE, DARK_PAGE])
def test_lines_and_text_can_be_read_on_both_pages(page: Any) -> None:
    for colour in EVERY:
        assert contrast(colour, page) >= 3, colour
        assert contrast(readable(colour), page) >= 4, colour
    for colour in (COLOURS["text"], COLOURS["muted"]):
        assert contrast(colour, page) >= 4


def test_readable_changes_only_what_it_must() -> None:
    assert readable(COLOURS["text"]) == COLOURS["text"]
    assert luminance(readable("#ffffff")) < 0.22
    assert luminance(readable("#000000")) > 0.17


def test_ten_classes_have_ten_colours() -> None:
    assert len(set(CLASS_COLOURS)) == 10


def test_roles() -> None:
    assert {"total_loss", "reconstruction_loss", "kl_loss", "beta", "accent", "muted"} <= set(COLOURS)


def test_style_is_clear_and_narrow() -> None:
    use_style()
    figure, ax = plt.subplots()
    assert figure.get_facecolor() == ax.get_facecolor() == (0, 0, 0, 0)
    assert figure.get_figwidth() <= 7
    assert figure.get_layout_engine() is not None
    assert mpl.rcParams["text.color"] == COLOURS["text"]
    assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == list(CYCLE)
