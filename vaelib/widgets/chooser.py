"""A choice between controls, each with its own slider: it works in a rendered page, without a kernel."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets

from vaelib._checks import argument_error, one_of


def frame_chooser(
    sliders: Mapping[str, ipywidgets.VBox], description: str, start: str | None = None
) -> ipywidgets.VBox:
    """Returns a list to choose from, and below it the slider of what is chosen.

    Each slider keeps its place while another is shown. List and sliders are linked in the browser.

    Args:
        sliders: name → what `frame_slider` returned; the names are the list's entries.
        description: the list's name.
        start: the name that is chosen first; by default the first one.

    Returns:
        A `VBox` of the `Dropdown` and the `Stack` of sliders.

    Raises:
        ValueError: if `sliders` is no mapping from names to sliders with one entry at least, `description` is no
            text, or `start` is none of the names.
    """
    must = "map names to what frame_slider returns, at least one"
    if not isinstance(sliders, Mapping) or not sliders:
        raise argument_error("sliders", must, sliders)
    for name, slider in sliders.items():
        if not isinstance(name, str) or not name.strip() or not isinstance(slider, ipywidgets.VBox):
            raise argument_error("sliders", must, {name: type(slider).__name__})
    if not isinstance(description, str):
        raise argument_error("description", "be text", description)
    names = list(sliders)
    first = 0 if start is None else names.index(one_of("start", start, names))

    choice = ipywidgets.Dropdown(
        options=[(name, i) for i, name in enumerate(names)],
        value=first,
        description=description,
        style={"description_width": "initial"},
        layout={"width": "95%", "max_width": "24em"},
    )
    stack = ipywidgets.Stack(list(sliders.values()), selected_index=first)
    ipywidgets.jslink((choice, "index"), (stack, "selected_index"))
    return ipywidgets.VBox([choice, stack])
