import io
from typing import Any

import ipywidgets
import pytest
from ipywidgets.widgets.widget import _instances
from ipywidgets.widgets.widget_link import Link
from PIL import Image

from vaelib.widgets import frame_chooser, frame_slider


def slider(n: int = 2) -> ipywidgets.VBox:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2)).save(buffer, format="png")
    names = [str(i) for i in range(n)]
    return frame_slider([buffer.getvalue()] * n, names, "epoch", names)


def test_list_and_sliders_are_linked_in_the_browser() -> None:
    sliders = {"cycles": slider(), "restarts": slider(3)}
    choice, stack = frame_chooser(sliders, "schedule", start="restarts").children
    assert isinstance(choice, ipywidgets.Dropdown)
    assert isinstance(stack, ipywidgets.Stack)
    assert choice.get_state()["_options_labels"] == ("cycles", "restarts")
    assert (choice.index, stack.selected_index) == (1, 1)
    assert choice.description == "schedule"
    assert stack.children == tuple(sliders.values())
    assert any(
        isinstance(link, Link) and (link.source, link.target) == ((choice, "index"), (stack, "selected_index"))
        for link in _instances.values()
    )


def test_the_first_is_chosen_where_no_other_is_named() -> None:
    choice, stack = frame_chooser({"a": slider(), "b": slider()}, "schedule").children
    assert (choice.index, stack.selected_index) == (0, 0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sliders": {}}, "`sliders` must map names to what frame_slider returns, at least one. Received: sliders={}"),
        ({"sliders": [1]}, r"`sliders` must map names .* Received: sliders=\[1\]"),
        ({"sliders": {"a": "b"}}, "`sliders` must map names .* Received: sliders={'a': 'str'}"),
        ({"sliders": {1: slider()}}, "`sliders` must map names .* Received: sliders={1: 'VBox'}"),
        ({"sliders": {" ": slider()}}, "`sliders` must map names"),
        ({"description": None}, "`description` must be text. Received: description=None"),
        ({"start": "b"}, "`start` must be one of 'a'. Received: start='b'"),
        ({"start": 0}, "`start` must be one of 'a'. Received: start=0"),
    ],
)
def test_choices_that_do_not_fit_are_refused(changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"sliders": {"a": slider()}, "description": "schedule"} | changed
    with pytest.raises(ValueError, match=message):
        frame_chooser(**arguments)
