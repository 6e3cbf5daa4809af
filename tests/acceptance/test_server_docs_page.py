"""The page of the API, opened in a browser."""

from __future__ import annotations

from pathlib import Path

from browser import chromium
from server import running
from waiting import until


def test_the_page_shows_the_api_and_asks_nobody_else(tmp_path: Path) -> None:
    with running(tmp_path / "data", "--no-worker") as server, chromium(tmp_path / "p") as page:
        page.call("Page.navigate", url=f"{server.url}/docs")
        shown = "[...document.querySelectorAll('.opblock-summary-path')].map(e => e.innerText)"
        until(lambda: page.run(shown), what="the operations")
        assert any("diarizations" in path for path in page.run(shown))
        assert page.complaints() == []
        assert {url.startswith(server.url) for url in page.requests()} == {True}
