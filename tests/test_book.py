"""The book builds without a warning, is complete, and refers to no other host for anything it loads."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, Book
from ledger import claims

LOADING = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "video": "src"}


class Tags(HTMLParser):
    """Collects every start tag of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(page: Path) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser.found


def toc_files(node: object) -> list[str]:
    """Every page that the table of contents names."""
    if isinstance(node, list):
        return [name for item in node for name in toc_files(item)]
    if isinstance(node, dict):
        own = [node[key] for key in ("root", "file") if key in node]
        below = [node[key] for key in ("parts", "chapters", "sections") if key in node]
        return own + toc_files(below)
    return []


TOC = toc_files(yaml.safe_load((ROOT / "_toc.yml").read_text()))


def test_builds_without_a_warning(book: Book) -> None:
    assert book.returncode == 0, book.log[-8000:]
    assert "WARNING" not in book.log


@pytest.mark.parametrize("name", TOC)
def test_page_exists(book: Book, name: str) -> None:
    assert (book.html / f"{name}.html").stat().st_size > 1000


def test_every_notebook_is_in_the_toc() -> None:
    assert {p.stem for p in (ROOT / "notebooks").glob("*.ipynb")} == {
        Path(name).name for name in TOC if name.startswith("notebooks/")
    }


def test_every_public_module_is_in_the_api_reference() -> None:
    documented = set()
    for page in (ROOT / "book" / "api").glob("*.md"):
        documented.update(re.findall(r"automodule:: ([\w.]+)", page.read_text()))
    modules = set()
    for path in (ROOT / "vaelib").rglob("*.py"):
        if not path.stem.startswith("_"):
            modules.add(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert modules - documented == set()
    assert documented - modules == set()


def test_pages_load_nothing_from_other_hosts(book: Book) -> None:
    foreign = [
        (page.name, tag, url)
        for page in book.pages()
        for tag, attributes in tags(page)
        if tag in LOADING
        if (url := attributes.get(LOADING[tag]) or "").startswith(("http:", "https:", "//"))
        if attributes.get("rel") not in ("canonical", "search")
    ]
    assert foreign == []


def test_every_picture_has_a_text(book: Book) -> None:
    silent = [
        (page.name, (attributes.get("src") or "")[:80])
        for page in book.pages()
        for tag, attributes in tags(page)
        if tag == "img" and not (attributes.get("alt") or "").strip()
    ]
    assert silent == []


def test_every_page_has_a_description_and_a_language(book: Book) -> None:
    for page in book.pages():
        found = tags(page)
        metas = [a for tag, a in found if tag == "meta" and a.get("name") == "description"]
        assert [bool(meta.get("content")) for meta in metas] == [True], page
        assert any(tag == "html" and a.get("lang") for tag, a in found), page


def test_every_claim_leads_to_its_chapter(book: Book) -> None:
    text = (book.html / "book" / "claims.html").read_text(encoding="utf-8")
    for claim in claims():
        place = f"claim-{claim.id.lower()}"
        assert f'href="../notebooks/{claim.chapter}.html#{place}"' in text
        assert f'id="{place}"' in (book.html / "notebooks" / f"{claim.chapter}.html").read_text(encoding="utf-8")


def test_widget_scripts_only_where_there_are_widgets(book: Book) -> None:
    for page in book.pages():
        text = page.read_text(encoding="utf-8")
        has_widgets = "application/vnd.jupyter.widget-view+json" in text
        assert text.count("embed-amd.js") == int(has_widgets), page
