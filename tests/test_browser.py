"""The rendered pages in headless Chromium: controls move without a kernel, nothing leaves the machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Book
from find_browser import find_browser
from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
]
VISIBLE_PICTURES = """() => [...document.querySelectorAll('.jupyter-widgets img')]
    .filter(picture => picture.checkVisibility() && picture.naturalWidth > 0).map(picture => picture.src)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = find_browser()
    assert path, "no Chromium or Chrome found; `make browser` says what to do"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield page
    page.close()


def addresses(book: Book, address: str) -> list[str]:
    return [f"{address}/{page.relative_to(book.html)}" for page in book.pages()]


def widget_pages(book: Book, address: str) -> list[str]:
    return [
        f"{address}/{path.relative_to(book.html)}"
        for path in book.pages()
        if "jupyter.widget-view+json" in path.read_text(encoding="utf-8")
    ]


def test_no_request_leaves_the_machine(book: Book, book_address: str, page: Page) -> None:
    requested: list[str] = []
    broken: list[str] = []
    failures: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("response", lambda response: broken.append(response.url) if response.status >= 400 else None)
    page.on("pageerror", lambda error: failures.append(f"{page.url}: {error}"))
    for url in addresses(book, book_address):
        page.goto(url, wait_until="networkidle")
    assert len(requested) > len(book.pages())
    assert [url for url in requested if not url.startswith((book_address, "data:", "blob:"))] == []
    assert [url for url in broken if not url.endswith("favicon.ico")] == []
    assert failures == []


def test_a_slider_changes_the_picture_without_a_kernel(book: Book, book_address: str, page: Page) -> None:
    urls = widget_pages(book, book_address)
    assert urls, "no page has a widget"
    for url in urls:
        page.goto(url)
        page.wait_for_function(f"() => ({VISIBLE_PICTURES})().length > 0")
        before = page.evaluate(VISIBLE_PICTURES)
        handle = page.locator(".jupyter-widgets .noUi-handle").first
        handle.focus()
        handle.press("ArrowRight")
        page.wait_for_function(f"before => ({VISIBLE_PICTURES})().join() !== before", arg=",".join(before))
        after = page.evaluate(VISIBLE_PICTURES)
        assert len(after) == len(before)
        handle.press("ArrowLeft")
        page.wait_for_function(f"before => ({VISIBLE_PICTURES})().join() === before", arg=",".join(before))


def test_mathematics_is_rendered_from_the_site_itself(book: Book, book_address: str, page: Page) -> None:
    urls = [
        f"{book_address}/{path.relative_to(book.html)}"
        for path in book.pages()
        if 'class="math' in path.read_text(encoding="utf-8")
    ]
    assert urls
    page.goto(urls[0])
    page.wait_for_selector("mjx-container", state="attached")


def test_no_page_scrolls_sideways_on_a_phone(book: Book, book_address: str, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    wide = []
    for url in addresses(book, book_address):
        page.goto(url, wait_until="networkidle")
        if page.evaluate("document.documentElement.scrollWidth") > 390:
            wide.append(Path(url).name)
    page.close()
    assert wide == []
