"""Controls for notebooks that keep working in the rendered page."""

from vaelib.widgets.chooser import frame_chooser
from vaelib.widgets.frames import frame_slider

__all__ = ["frame_chooser", "frame_slider"]
