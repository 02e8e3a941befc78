"""The site of the documentation, as its readers see it."""
import functools
import http.server
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import needs_browser, opened
from helpers import ROOT
from markdown_it import MarkdownIt

PAGES = sorted([
    ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', ROOT / 'CHANGELOG.md',
    ROOT / 'mmdualpath/released/README.md', *ROOT.glob('docs/**/*.md'),
    *(ROOT / 'configs').rglob('README.md')
])


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """The site, built strictly: a broken link ends it."""
    folder = tmp_path_factory.mktemp('site')
    result = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '-d', folder],
        cwd=ROOT,
        env=dict(os.environ, PYTHONDONTWRITEBYTECODE='1'),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True)
    assert result.returncode == 0, result.stdout[-4000:]
    return folder


@pytest.fixture(scope='module')
def address(site):
    """Where the site is served."""

    class Quiet(http.server.SimpleHTTPRequestHandler):

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(
        ('127.0.0.1', 0), functools.partial(Quiet, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()


class Article(HTMLParser):
    """How often a page has which element, what stands around it left out."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.count = Counter()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if 'headerlink' not in dict(attrs).get('class', ''):
            self.count[tag] += 1


def article(site: Path, page: Path) -> str:
    """What a page says in the site."""
    place = str(page.relative_to(ROOT)).removeprefix('docs/')
    folder = Path(place).parent if page.name == 'README.md' else \
        Path(place).with_suffix('')
    text = (site / folder / 'index.html').read_text()
    return re.search(r'<article.*?</article>', text, re.S)[0]


def test_every_page_reads_as_on_github(site):
    """As many paragraphs, lists, cells, blocks, pictures and titles."""
    markdown = MarkdownIt('commonmark').enable('table')
    for page in PAGES:
        there = Article(article(site, page)).count
        here = Article(markdown.render(page.read_text())).count
        for tag in ('p', 'li', 'td', 'pre', 'img', 'em', 'strong', 'h2', 'h3'):
            assert there[tag] == here[tag], (page, tag)


def test_links_that_leave_the_documentation_show_a_file(site):
    text = article(site, ROOT / 'docs/recipes.md')
    name = 'configs/_base_/models/dualpath_vitb.py'
    assert f'href="../{name}/"' in text
    shown = (site / name / 'index.html').read_text()
    code = re.sub(r'<[^>]+>', '', re.search(r'<pre.*?</pre>', shown, re.S)[0])
    first = (ROOT / name).read_text().splitlines()[0]
    assert first in code


def public_names():
    """Classes and functions of the package, and the methods of the former,
    that have a docstring of their own."""
    import ast
    for path in sorted((ROOT / 'mmdualpath').rglob('*.py')):
        parts = path.relative_to(ROOT).with_suffix('').parts
        if any(part.startswith(('_', '.')) for part in parts):
            continue
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) \
                    or node.name.startswith('_'):
                continue
            yield '.'.join((*parts, node.name))
            for inner in getattr(node, 'body', ()):
                if isinstance(inner, ast.FunctionDef) \
                        and not inner.name.startswith('_') \
                        and isinstance(node, ast.ClassDef) \
                        and ast.get_docstring(inner):
                    yield '.'.join((*parts, node.name, inner.name))


def test_the_reference_has_everything_public(site):
    there = set()
    for page in (site / 'reference').rglob('index.html'):
        there |= set(re.findall(r'<h[2-5] id="([^"]+)"', page.read_text()))
    missing = set(public_names()) - there
    assert not missing


def test_every_page_is_in_the_navigation(site):
    """And nothing of it is asked of another host."""
    names = {
        p
        for p in (ROOT / 'docs').rglob('*') if p.suffix in ('.md', '.ipynb')
    }
    start = (site / 'index.html').read_text()
    for page in names:
        place = page.relative_to(ROOT / 'docs').with_suffix('')
        section = (site / place / 'index.html').read_text()
        assert 'md-nav__link--active' in section, page
    assert not re.search(r'(src|href)="https?://[^"]*\.(js|css|woff2?)"',
                         start)


@needs_browser
def test_it_is_searched_and_read(address):
    with opened(f'{address}/') as page:
        page.locator('.md-search__input').click()
        page.keyboard.type('frameset_positions FramesetPositions')
        result = page.locator('.md-search-result__link').first
        result.wait_for()
        result.click()
        page.wait_for_url('**/reference/**')
        assert page.locator('article').inner_text().count('FramesetPositions')

        page.goto(f'{address}/results/')
        link = page.locator('article a', has_text='dualpath_vitb_ssv2').first
        link.click()
        page.wait_for_url('**/configs/dualpath_vitb_ssv2.py/')
        assert '_base_' in page.locator('article').inner_text()

        page.goto(f'{address}/tutorial/')
        sizes = page.locator('article img').evaluate_all(
            'images => images.map(i => i.naturalWidth)')
        assert len(sizes) >= 5 and all(sizes)


@needs_browser
def test_it_is_dark_where_readers_want_it(address):
    with opened(f'{address}/') as page:
        light = page.evaluate(BACKGROUND)
        page.locator('label[for=__palette_1]').click()
        dark = page.evaluate(BACKGROUND)
    assert min(light) > 200 and max(dark) < 80


BACKGROUND = """getComputedStyle(document.body).backgroundColor
.match(/\\d+/g).slice(0, 3).map(Number)"""
