"""A slider through pictures that were drawn beforehand: it works in a rendered page, without a kernel."""

from __future__ import annotations

import base64
import html
import io
import struct
from collections.abc import Sequence

import ipywidgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from vaelib._checks import Described, argument_error, positive_int

_DPI = 120
_COLOURS = 128


def frame_slider(
    frames: Sequence[Figure | bytes],
    labels: Sequence[str],
    description: str,
    alts: Sequence[str],
    start: int = 0,
) -> ipywidgets.VBox:
    """Returns a slider that shows one of several pictures.

    The pictures are stored in the widget itself, and slider and picture are linked in the browser.

    Args:
        frames: matplotlib figures, which are drawn once and closed, or the bytes of PNG files.
        labels: what the slider shows for each frame; no two alike.
        description: the slider's name.
        alts: for each frame, what there is to see, for readers who cannot see it.
        start: the number of the frame that is shown first.

    Returns:
        A `VBox` of the slider and the `Stack` of pictures.

    Raises:
        ValueError: if there is no frame, if a frame is neither figure nor PNG, if labels or alts are not one
            for each frame, if labels repeat or an alt is empty, if `description` is no text, or `start` is no
            frame's number.
    """
    for name, values in (("frames", frames), ("labels", labels), ("alts", alts)):
        if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
            raise argument_error(name, "be a list with one entry for each frame", values)
    if not frames:
        raise argument_error("frames", "hold at least one frame", frames)
    for name, texts in (("labels", labels), ("alts", alts)):
        if len(texts) != len(frames):
            received = Described(f"{len(texts)} of them for {len(frames)} frames")
            raise argument_error(name, "have one entry for each frame", received)
    if len({str(label) for label in labels}) < len(labels):
        raise argument_error("labels", "differ from each other", list(labels))
    if not all(isinstance(alt, str) and alt.strip() for alt in alts):
        raise argument_error("alts", "describe each frame", list(alts))
    if not isinstance(description, str):
        raise argument_error("description", "be text", description)
    if positive_int("start", start, minimum=0) >= len(frames):
        raise argument_error("start", f"be below the number of frames, {len(frames)}", start)

    pictures = [_picture(_png(frame), alt) for frame, alt in zip(frames, alts, strict=True)]
    slider = ipywidgets.SelectionSlider(
        options=[(str(label), i) for i, label in enumerate(labels)],
        value=start,
        description=description,
        style={"description_width": "initial"},
        layout={"width": "95%"},
    )
    stack = ipywidgets.Stack(pictures, selected_index=start)
    ipywidgets.jslink((slider, "index"), (stack, "selected_index"))
    return ipywidgets.VBox([slider, stack])


def _png(frame: Figure | bytes) -> bytes:
    if isinstance(frame, bytes):
        try:
            Image.open(io.BytesIO(frame), formats=["PNG"]).verify()
        except (OSError, SyntaxError) as error:
            received = Described(f"{len(frame)} bytes ({error})")
            raise argument_error("frames", "hold the bytes of whole PNG files", received) from None
        return frame
    if not isinstance(frame, Figure):
        received = Described(f"a frame of type {type(frame).__name__}")
        raise argument_error("frames", "hold matplotlib figures or the bytes of PNG files", received)
    drawn = io.BytesIO()
    frame.savefig(drawn, format="png", dpi=_DPI)
    plt.close(frame)
    return with_palette(drawn.getvalue())


def with_palette(png: bytes) -> bytes:
    """Returns a picture with a palette of 128 colours, transparency included: about a third of the bytes.

    Args:
        png: the bytes of a PNG file.
    """
    small = io.BytesIO()
    palette = Image.open(io.BytesIO(png)).convert("RGBA").quantize(_COLOURS, method=Image.Quantize.FASTOCTREE)
    palette.save(small, format="png", optimize=True)
    return small.getvalue()


def _picture(png: bytes, alt: str) -> ipywidgets.HTML:
    width, height = struct.unpack(">II", png[16:24])
    source = base64.b64encode(png).decode("ascii")
    return ipywidgets.HTML(
        f'<img alt="{html.escape(alt)}" width="{width}" height="{height}" '
        f'style="max-width:100%;height:auto" src="data:image/png;base64,{source}">'
    )
