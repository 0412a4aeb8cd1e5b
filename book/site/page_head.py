"""Sphinx extension: every page gets a meta description."""

from __future__ import annotations

import html
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


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


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the extension."""
    app.connect("html-page-context", add_description)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
