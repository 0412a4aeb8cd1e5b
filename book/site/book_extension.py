"""Sphinx extension of this book: descriptions, widget scripts where needed, the promises, a calmer API reference."""

from __future__ import annotations

import csv
import html
import importlib
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy.typing as npt
from docutils import nodes
from matplotlib.typing import ColorType
from myst_nb.sphinx_ import NbMetadataCollector
from rows import row_of, table_of
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import stringify_annotation

HIDDEN_COLON = "\ue000"
# what autodoc writes for an alias → the alias
ALIASES = {
    stringify_annotation(npt.ArrayLike, "smart"): "~numpy.typing.ArrayLike",
    stringify_annotation(ColorType, "smart"): "~matplotlib.typing.ColorType",
}
# ipywidgets typesets labels by a call of MathJax 2; MathJax 3 replaces its configuration object when ready
MATHJAX_2_CALL = """
if (window.MathJax) {
  const Hub = { Queue: (call) => MathJax.startup?.promise?.then(() => MathJax.typesetPromise([call[2]])) };
  MathJax.Hub = Hub;
  MathJax.startup = { ready() { MathJax.startup.defaultReady(); MathJax.Hub = Hub; } };
}
"""


def first_paragraph(doctree: nodes.document, limit: int = 155) -> str:
    """Returns the page's first sentence-like paragraph as one line of at most `limit` characters."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = re.sub(r"\s+", " ", paragraph.astext()).strip()
        if len(text) >= 40:
            return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0].rstrip(",;:. ") + " …"
    return ""


def add_description(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Adds the description to the page's head, unless the page brings its own."""
    if doctree is None:
        text = f"{context.get('title') or pagename}: {app.config.html_title}"
    elif 'name="description"' in context.get("metatags", ""):
        return
    else:
        text = first_paragraph(doctree) or f"{context.get('title', '')}: {app.config.html_title}"
    tag = f'<meta name="description" content="{html.escape(text, quote=True)}" />\n'
    context["metatags"] = context.get("metatags", "") + tag


def add_widget_scripts(
    app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Adds require.js and the widget manager (3.6 MB) to a page that stores widget state.

    The scripts, their fonts and any further widget package are looked for on the site itself, nowhere else.
    """
    if "ipywidgets_state" not in NbMetadataCollector.get_js_files(app.env, pagename):
        return
    folder = context["pathto"]("assets/widgets", resource=True) + "/"
    config = f"requirejs.config({{ baseUrl: {json.dumps(folder)} }});"
    app.add_js_file("../assets/widgets/require.js", priority=800)
    app.add_js_file(None, body=config + MATHJAX_2_CALL, priority=801)
    app.add_js_file("../assets/widgets/embed-amd.js", priority=802, **{"data-jupyter-widgets-cdn": folder})


def hide_colons(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keeps Napoleon from reading the words before a colon in the docstring of data as its type."""
    if what in ("attribute", "data", "property") and lines:
        lines[0] = lines[0].replace(":", HIDDEN_COLON)


def show_colons(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Puts back what `hide_colons` took."""
    lines[:] = [line.replace(HIDDEN_COLON, ":") for line in lines]


def short_types(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, arguments: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Writes types as their source does, such as `NDArray[float64]`, not as what these aliases stand for.

    A dataclass's `<factory>` is no Python, and with it Sphinx would show the whole signature as it came.
    """
    array = r"~?numpy\.ndarray\[tuple\[~?(?:typing\.)?Any, \.\.\.\], ~?numpy\.dtype\[([^\]]*)\]\]"

    def short(text: str | None) -> str | None:
        if text is None:
            return None
        for long, alias in (("<factory>", "..."), *ALIASES.items()):
            text = text.replace(long, alias)
        return re.sub(array, r"~numpy.typing.NDArray[\1]", text)

    return short(arguments), short(returns)


def mark_columns(app: Sphinx, doctree: nodes.document) -> None:
    """Marks printed text whose lines are aligned by spaces: it must scroll, where sentences wrap."""
    for block in doctree.findall(nodes.literal_block):
        if "stream" in block["classes"] and re.search(r"\S {2,}\S", block.astext()):
            block["classes"].append("columns")


class Promises(SphinxDirective):
    """Shows the rows of promises.csv that belong to the document named; without a name, only their number."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Returns a sentence with the counts and the table."""
        path = Path(self.env.srcdir) / "book" / "promises.csv"
        self.env.note_dependency(str(path))
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if self.arguments in ([], [row["document"]])]
        kept = sum(row["status"] == "kept" for row in rows)
        count = f"{len(rows)} promises: {kept} kept, {len(rows) - kept} deviating."
        return [nodes.paragraph(text=count), *([self.table(rows)] if self.arguments else [])]

    def table(self, rows: list[dict[str, str]]) -> nodes.table:
        """Returns a table of one row a promise."""
        lines = []
        for row in rows:
            texts = [row[key] for key in ("promise", "note") if row[key]]
            cells = [
                [nodes.paragraph(text=row["lines"].replace("-", "–"))],
                [nodes.paragraph(text=row["status"])],
                [nodes.paragraph("", "", *self.parse_inline(text)[0]) for text in texts],
                [nodes.paragraph("", "", *readable_test(test)) for test in row["test"].split()],
            ]
            lines.append(row_of(cells, row["status"]))
        return table_of({"Line": 9, "Status": 11, "Promise": 45, "Tests": 35}, lines, "promises")


def readable_test(test: str) -> list[nodes.Node]:
    """Returns a test's name in words, and its file, whose name is unique without the folder."""
    file, _, name = test.partition("::")
    words = re.sub(r"\[.*", "", name.split("::")[-1]).removeprefix("test_").replace("_", " ")
    if not file.startswith("tests/"):
        words = f"example of {name.split('.')[-1]}"
    return [nodes.Text(f"{words} "), nodes.inline(text=Path(file).name, classes=["file"])]


def skip_tuple_fields(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leaves out the fields of a named tuple, whose docstrings only count them."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def import_tensorflow_quietly() -> None:
    """Imports what autodoc imports anyway, with the start-up notices of native code going nowhere."""
    keep, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        importlib.import_module("tensorflow")
    finally:
        os.dup2(keep, 2)
        os.close(keep)
        os.close(nowhere)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the extension."""
    import_tensorflow_quietly()
    app.connect("html-page-context", add_description)
    app.connect("html-page-context", add_widget_scripts)
    app.connect("autodoc-process-docstring", hide_colons, priority=400)  # before Napoleon
    app.connect("autodoc-process-docstring", show_colons, priority=600)
    app.connect("autodoc-process-signature", short_types)
    app.connect("doctree-read", mark_columns)
    app.add_directive("promises", Promises)
    app.connect("autodoc-skip-member", skip_tuple_fields)
    app.add_config_value("comments_config", {}, "html")  # Jupyter Book sets it, no extension here reads it
    return {"parallel_read_safe": True, "parallel_write_safe": True}
