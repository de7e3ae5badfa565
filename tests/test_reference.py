"""The API reference as a person sees it."""

import asyncio
import shutil

import pytest

from dragoman import Gateway
from tests.serving import gateway

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--virtual-time-budget=8000", "--dump-dom"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("page", ["/docs", "/redoc"])
async def test_a_browser_without_internet_shows_the_chat_route(page, tmp_path):
    async with gateway(Gateway()) as url:
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path}", url + page]
        process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-3)
        dom, _ = await asyncio.wait_for(process.communicate(), 60)
    assert b"Create chat completion" in dom
