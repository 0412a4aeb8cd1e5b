import base64
import io
import re
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances
from ipywidgets.widgets.widget_link import Link
from matplotlib.figure import Figure
from PIL import Image

from vaelib.data import load_dataset
from vaelib.plots import plot_curves, plot_latent_map, use_style
from vaelib.widgets import frame_slider

FIGURES_OPEN = plt.get_fignums


def figures(n: Any) -> list[Figure]:
    drawn = []
    for i in range(n):
        figure, ax = plt.subplots()
        ax.plot([0, i])
        drawn.append(figure)
    return drawn


def png(width: Any = 3, height: Any = 2) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, format="png")
    return buffer.getvalue()


def picture_in(html: Any) -> bytes:
    return base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', html).group(1))


def test_slider_and_pictures_are_linked_in_the_browser() -> None:
    widget = frame_slider(figures(3), ["0", "0.1", "1"], "KL weight", ["a", "b", "c"], start=1)
    slider, stack = widget.children
    assert isinstance(slider, ipywidgets.SelectionSlider)
    assert isinstance(stack, ipywidgets.Stack)
    assert (slider.index, stack.selected_index) == (1, 1)
    assert slider.get_state()["_options_labels"] == ("0", "0.1", "1")
    assert slider.description == "KL weight"
    assert len(stack.children) == 3
    assert any(
        isinstance(link, Link) and (link.source, link.target) == ((slider, "index"), (stack, "selected_index"))
        for link in _instances.values()
    )


def test_frames_are_png_images_with_alternative_text() -> None:
    widget = frame_slider(figures(1), ["only"], "x", ['KL < 1 & "flat"'])
    html = widget.children[1].children[0].value
    assert html.startswith('<img alt="KL &lt; 1 &amp; &quot;flat&quot;" width="768" height="576" ')
    assert 'style="max-width:100%;height:auto"' in html
    assert Image.open(io.BytesIO(picture_in(html))).size == (768, 576)


def test_a_clear_background_stays_clear() -> None:
    use_style()
    widget = frame_slider(figures(1), ["only"], "x", ["a line"])
    image = Image.open(io.BytesIO(picture_in(widget.children[1].children[0].value))).convert("RGBA")
    assert image.getpixel((0, 0))[3] == 0


def test_png_bytes_are_taken_as_they_are() -> None:
    widget = frame_slider([png(), png()], ["a", "b"], "x", ["first", "second"])
    html = widget.children[1].children[0].value
    assert picture_in(html) == png()
    assert 'width="3" height="2"' in html


def test_figures_are_closed() -> None:
    frame_slider(figures(2), ["a", "b"], "x", ["first", "second"])
    assert FIGURES_OPEN() == []


def test_ten_frames_stay_small() -> None:
    use_style()
    digits = load_dataset("digits")
    z = digits.x_train.reshape(len(digits.x_train), -1)[:, [20, 30, 43]]
    curves = {name: np.cumsum(np.random.default_rng(i).normal(size=100)) for i, name in enumerate("abcd")}
    for draw in (lambda: plot_latent_map(z, digits.y_train), lambda: plot_curves(curves, ylabel="KL (nats)")):
        frames = [draw().figure for _ in range(10)]
        widget = frame_slider(frames, list("0123456789"), "epoch", ["a picture"] * 10)
        size = sum(len(child.value) for child in widget.children[1].children)
        assert size <= 400_000


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"frames": []}, "`frames` must hold at least one frame"),
        (
            {"frames": [b"GIF89a", b""]},
            "`frames` must hold the bytes of whole PNG files. Received: frames=6 bytes",
        ),
        ({"frames": [png()[:20], png()]}, "`frames` must hold the bytes of whole PNG files"),
        ({"frames": [png(), png()[:-9]]}, "`frames` must hold the bytes of whole PNG files.*truncated"),
        ({"frames": None}, "`frames` must be a list with one entry for each frame. Received: frames=None"),
        ({"labels": None}, "`labels` must be a list with one entry for each frame. Received: labels=None"),
        ({"alts": ["one", None]}, "`alts` must describe each frame"),
        ({"description": None}, "`description` must be text. Received: description=None"),
        ({"frames": ["a.png", "b.png"]}, "`frames` must hold matplotlib figures.*type str"),
        (
            {"labels": ["a"]},
            "`labels` must have one entry for each frame. Received: labels=1 of them for 2 frames",
        ),
        ({"labels": "ab"}, "`labels` must be a list with one entry for each frame"),
        ({"labels": ["a", "a"]}, "`labels` must differ from each other"),
        ({"alts": ["one"]}, "`alts` must have one entry for each frame"),
        ({"alts": ["one", " "]}, "`alts` must describe each frame"),
        ({"start": 2}, "`start` must be below the number of frames, 2"),
        ({"start": -1}, "`start` must be an integer >= 0"),
    ],
)
def test_frames_that_do_not_fit_are_refused(changed: Any, message: Any) -> None:
    arguments = {
        "frames": [png(), png()],
        "labels": ["a", "b"],
        "description": "x",
        "alts": ["one", "two"],
    } | changed
    with pytest.raises(ValueError, match=message):
        frame_slider(**arguments)
