"""Colours that can be read on white and on a dark page, and the look of the book's figures."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.colors import to_hex, to_rgb
from matplotlib.rcsetup import cycler
from matplotlib.typing import ColorType

COLOURS = {
    "total_loss": "#7f7f7f",
    "reconstruction_loss": "#0072b2",
    "kl_loss": "#d55e00",
    "global_kl_loss": "#d55e00",
    "local_kl_loss": "#8a6fd1",
    "beta": "#009e73",
    "capacity": "#b07d00",
    "accent": "#0072b2",
    "muted": "#7a7a7a",
    "text": "#7a7a7a",
}
"""What each colour stands for in the figures, as hex codes."""

CYCLE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6fd1", "#b07d00")
"""Colours of lines without a meaning of their own, after Okabe and Ito."""

CLASS_COLOURS = (*CYCLE, "#7f7f7f", "#8c564b", "#17858c", "#c2185b")
"""Colours of up to ten classes. The last ones are not safe for every eye: label the classes as well."""

LIGHT_PAGE, DARK_PAGE = "#ffffff", "#121212"
_TEXT_CONTRAST = 4.0


def use_style() -> None:
    """Sets matplotlib's defaults for the book: clear background, mid-grey text, at most 7 inches wide."""
    mpl.rcParams.update(
        {
            "axes.edgecolor": COLOURS["muted"],
            "axes.facecolor": "none",
            "axes.grid": True,
            "axes.labelcolor": COLOURS["text"],
            "axes.prop_cycle": cycler(color=CYCLE),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlecolor": COLOURS["text"],
            "axes.titlesize": "medium",
            "figure.constrained_layout.use": True,
            "figure.dpi": 144,
            "figure.edgecolor": "none",
            "figure.facecolor": "none",
            "figure.figsize": (6.5, 4.0),
            "font.size": 12,
            "grid.alpha": 0.25,
            "grid.color": COLOURS["muted"],
            "legend.frameon": False,
            "lines.linewidth": 2.0,
            "savefig.dpi": 144,
            "savefig.facecolor": "none",
            "text.color": COLOURS["text"],
            "xtick.color": COLOURS["text"],
            "ytick.color": COLOURS["text"],
        }
    )


def luminance(colour: ColorType) -> float:
    """Returns the relative luminance of a colour, from 0 (black) to 1 (white), as WCAG 2 defines it."""
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(first: ColorType, second: ColorType) -> float:
    """Returns the contrast ratio of two colours, from 1 to 21, as WCAG 2 defines it.

    >>> round(contrast("white", "black"), 3)
    21.0
    """
    dark, light = sorted([luminance(first), luminance(second)])
    return (light + 0.05) / (dark + 0.05)


def readable(colour: ColorType) -> str:
    """Returns the nearest shade of a colour in which text reads on white and on a dark page (4:1).

    >>> readable("#767676")
    '#767676'
    """
    for step in range(101):
        for target in (0.0, 1.0):
            red, green, blue = (c + (target - c) * step / 100 for c in to_rgb(colour))
            shade = to_hex((red, green, blue))
            if min(contrast(shade, LIGHT_PAGE), contrast(shade, DARK_PAGE)) >= _TEXT_CONTRAST:
                return shade
    raise AssertionError("grey is always reached")  # pragma: no cover
