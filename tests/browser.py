"""A page in headless Chromium, for tests that look at one.

    python tests/browser.py PICTURE ADDRESS PROGRAM ...

starts a program of Python's that serves a page, with its options, and writes
a picture of the page once it stays as it is.

    python tests/browser.py PICTURE FILE.html

writes one of the top of a file.
"""
import contextlib
import io
import os
import runpy
import shutil
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Iterator, List, Sequence
from urllib.parse import urlparse

import pytest
from PIL import Image

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason='there is no chromium on this machine')
OPTIONS = [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update',
    '--disable-sync'
]


@contextlib.contextmanager
def opened(address: str,
           width: int = 1280,
           height: int = 900,
           options: Sequence[str] = ()) -> Iterator:
    """A page of Playwright's that has loaded.

    What goes wrong in it, and each file from another host that it asks for,
    fails the test when it is closed.

    Args:
        address: ``http://localhost:…`` or ``file://…``.
        width: Of the window in pixels.
        height: Of the window in pixels.
        options: More options of Chromium's, such as those of its fake camera.
    """
    from playwright.sync_api import sync_playwright
    faults: List[str] = []
    # What the page asks of this machine goes through no proxy.
    env = {k: v for k, v in os.environ.items() if 'proxy' not in k.lower()}
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=CHROMIUM, args=[*OPTIONS, *options], env=env)
        page = browser.new_page(viewport=dict(width=width, height=height))
        page.set_default_timeout(60000)  # where others work as well
        page.on('pageerror', lambda error: faults.append(str(error)))
        page.on(
            'request', lambda request: request.url.startswith(
                ('http://localhost', 'http://127.0.0.1', 'ws://localhost',
                 'ws://127.0.0.1', 'file:', 'data:', 'blob:')) or faults.
            append(f'asked for {request.url}'))
        page.goto(address)
        yield page
        browser.close()
    assert not faults, faults


def serve(address: str, *program: str) -> None:
    """Run a program in this process until it serves an address."""
    sys.argv[:] = program
    threading.Thread(
        target=runpy.run_path,
        args=program[:1],
        kwargs=dict(run_name='__main__'),
        daemon=True).start()
    host, port = urlparse(address).netloc.split(':')
    for _ in range(300):
        with contextlib.suppress(OSError):
            socket.create_connection((host, int(port))).close()
            break
        time.sleep(1)


def main(picture: str, address: str, *program: str) -> None:
    """Write a picture of a page that a program serves, or of a file's top."""
    size = {}
    if program:
        serve(address, *program)
    else:
        size = dict(width=1100, height=1290)
        address = Path(address).resolve().as_uri()
    with opened(address, **size) as page:
        before = after = b''
        while not before == after != b'':
            page.wait_for_timeout(3000)
            before, after = after, page.screenshot(full_page=bool(program))
    image = Image.open(io.BytesIO(after))
    image.quantize(256, dither=Image.Dither.NONE).save(picture, optimize=True)
    print(f'Wrote {picture}.')


if __name__ == '__main__':
    main(*sys.argv[1:])
