"""A real browser: Debian's Chromium, driven by Playwright."""

import os
import shutil
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import async_playwright, expect

ABSENT = "there is no Chromium here (on Debian: apt install chromium), so the page was not looked at"
PATIENCE = 30_000
"""Milliseconds that a test waits for what it expects to be shown: machines may be busy."""

NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium():
    """The path of a Chromium; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def require_chromium():
    """The path. Without one: in CI a failure, since nothing was proven; elsewhere the tests are left out."""
    found = find_chromium()
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(ABSENT)
    return found


@asynccontextmanager
async def browser():
    """A Chromium without windows, until the block ends."""
    path = require_chromium()
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        # who is root has no sandbox in Chromium, and CI is root; what is opened here is rime's own page
        chromium = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield chromium
        finally:
            await chromium.close()


@asynccontextmanager
async def page_at(chromium, address, **options):
    """rime's page, which must say nothing to the browser's console, and ask for nothing that is not rime's."""
    complaints = []
    page = await chromium.new_page(**{"viewport": {"width": 1280, "height": 800}, **options})
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.extend([request.url] if address not in request.url else []))
    await page.goto(f"http://{address}/")
    yield page
    assert complaints == []
    await page.close()
