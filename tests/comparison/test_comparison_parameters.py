"""Parameters of notebooks: what a cell declares, what fits, and one sentence for what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from light_notebook import cell, light_notebook, notebook

from vaelib.comparison.parameters import Parameter, checked_parameters, declared_parameters, read_notebook


def declared(source: str) -> dict[str, Parameter]:
    return declared_parameters(notebook(cell(source, "parameters")), "work/my.ipynb")


def test_the_light_notebook_declares_its_parameters() -> None:
    found = declared_parameters(light_notebook(), "light.ipynb")
    assert {name: (p.type, p.default) for name, p in found.items()} == {
        "data": ("str", "digits"),
        "schedules": ("list[str]", ["linear"]),
        "seeds": ("int", 2),
        "rate": ("float", 0.001),
        "seconds": ("float", 0.0),
        "hidden": ("tuple[int, ...]", [6, 5]),
        "bound": ("float | None", None),
        "fail": ("str", ""),
        "output": ("str", ""),
    }


def test_imports_and_a_docstring_may_stand_beside_parameters_and_nothing_is_run() -> None:
    found = declared('"""What varies."""\nfrom typing import Optional\nimport os\nx: Optional[int] = -3')
    assert (found["x"].type, found["x"].default) == ("Optional[int]", -3)


@pytest.mark.parametrize(
    ("kind", "value", "fitted"),
    [
        ("int", 0, 0),
        ("float", 4, 4.0),
        ("float", -1e-3, -0.001),
        ("str", "", ""),
        ("bool", False, False),
        ("None", None, None),
        ("list", [1, "a", [None, 2.5, True]], [1, "a", [None, 2.5, True]]),
        ("list[float]", [1, 2.5], [1.0, 2.5]),
        ("list[float]", [], []),
        ("tuple", (1, 2), [1, 2]),
        ("tuple[int, str]", [1, "a"], [1, "a"]),
        ("tuple[float, ...]", [1, 2, 3], [1.0, 2.0, 3.0]),
        ("list[tuple[int, int]]", [[1, 2]], [[1, 2]]),
        ("Optional[int]", None, None),
        ("typing.Optional[int]", 5, 5),
        ("int | str | None", "a", "a"),
        ("Union[int, list[str]]", ["a"], ["a"]),
        ("str | list[str]", ["a", "b"], ["a", "b"]),
    ],
)
def test_what_fits_a_type(kind: str, value: Any, fitted: Any) -> None:
    assert declared(f"x: {kind} = {value!r}")["x"].default == fitted
    got = Parameter("x", kind, None).checked("x", value)
    assert (got, type(got)) == (fitted, type(fitted))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", True),
        ("int", 1.0),
        ("int", "1"),
        ("int", None),
        ("float", False),
        ("float", "1e-3"),
        ("float", float("nan")),
        ("float", float("inf")),
        ("float", 10**400),
        ("str", 1),
        ("bool", 0),
        ("bool", "yes"),
        ("None", 0),
        ("list", "abc"),
        ("list", [{"a": 1}]),
        ("list", [float("nan")]),
        ("list[int]", [1, True]),
        ("list[int]", 1),
        ("tuple[int, int]", [1]),
        ("tuple[int, ...]", ["a"]),
        ("Optional[int]", "a"),
        ("int | None", 1.5),
        ("Union[int, str]", [1]),
    ],
)
def test_what_does_not_fit_a_type(kind: str, value: Any) -> None:
    with pytest.raises(ValueError, match="^Argument `vary.x.0.` must be of type ") as caught:
        Parameter("x", kind, None, "my.ipynb").checked("vary.x[0]", value)
    assert f"must be of type {kind}, as my.ipynb declares it. Received: vary.x[0]=" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", r"must declare its parameters as `name: type = default` .* which says `x = 1`"),
        ("x: int", "which says `x: int`"),
        ("x.y: int = 1", "which says `x.y: int = 1`"),
        ("print(1)", r"which says `print\(1\)`"),
        ("if True:\n    x: int = 1", "which says `if True:`"),
        ("x: int = 1\nx: int = 2", "declares 'x' twice"),
        ("x: dict = {}", "must declare parameters of the types int, float, .* which says `x: dict = {}`"),
        ("x: list[int, str] = []", "of the types"),
        ("x: Literal['a'] = 'a'", "of the types"),
        ("x: Union = 1", "of the types"),
        ("x: int = 1.5", "a literal of its type as default.*which says `x: int = 1.5`"),
        ("x: int = len('a')", "which says `x: int = len"),
        ("x: float = float('nan')", "must give each parameter a literal of its type as default"),
        ("x: int = 1 +", "line 1 of that cell is not Python"),
    ],
)
def test_cells_that_declare_no_parameters_are_refused(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        declared(source)
    assert str(caught.value).startswith("Argument `notebook` must ")
    assert "Received: notebook='work/my.ipynb', wh" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cells", "count"),
    [
        ([cell("x: int = 1")], "none"),
        ([cell("x: int = 1", "parameters", kind="markdown")], "none"),
        ([cell("x: int = 1", "parameters"), cell("y: int = 1", "parameters")], "2"),
    ],
)
def test_one_cell_declares_the_parameters(cells: list[dict[str, Any]], count: str) -> None:
    with pytest.raises(ValueError, match=f"have one code cell with the tag 'parameters'.*which has {count}"):
        declared_parameters(notebook(*cells), "my.ipynb")


def test_names_are_checked_with_the_nearest_one() -> None:
    found = declared("latent_dim: int = 2\nepochs: int = 5")
    assert checked_parameters("parameters", {"epochs": 7}, found) == {"epochs": 7}
    with pytest.raises(ValueError, match=r"`parameters.latentdim` must be one of .* Did you mean 'latent_dim'\?"):
        checked_parameters("parameters", {"latentdim": 7}, found)
    with pytest.raises(ValueError, match="Argument `parameters` must be a mapping"):
        checked_parameters("parameters", [1], found)


def test_a_notebook_is_read_with_text_or_lines_in_its_cells(tmp_path: Any) -> None:
    path = tmp_path / "my.ipynb"
    content = notebook({**cell("", "parameters"), "source": ["x: int = 1\n", "y: str = 'a'"]})
    path.write_text(json.dumps(content))
    assert list(declared_parameters(read_notebook(path), path)) == ["x", "y"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff\xfe", "not JSON in UTF-8"),
        (b"{", "not JSON in UTF-8"),
        (b"[]", "no list of cells"),
        (b'{"cells": [1]}', "no list of cells"),
    ],
)
def test_what_is_no_notebook(tmp_path: Any, content: bytes | None, message: str) -> None:
    path = tmp_path / "my.ipynb"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(
        ValueError, match=f"^Argument `notebook` must be a Jupyter notebook.*my.ipynb', which .*{message}"
    ):
        read_notebook(path)
