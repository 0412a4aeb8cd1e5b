"""Controls for notebooks that keep working in the rendered page."""

from vaelib.widgets.frames import frame_slider

__all__ = ["frame_slider"]
