"""A hub of models on this machine, for the client of Hugging Face's."""
import hashlib
import http.server
import threading
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest


@pytest.fixture
def hub(tmp_path: Path, monkeypatch) -> Iterator[List[Tuple[str, str]]]:
    """A hub that has the files of ``tmp_path / 'hub'`` in every repository,
    but none of ``nobody`` and none for all of ``gated``.

    Yields:
        What was fetched, repository and file.
    """
    client = pytest.importorskip('huggingface_hub')
    folder = tmp_path / 'hub'
    folder.mkdir()
    fetched: List[Tuple[str, str]] = []
    refused = dict(nobody=(404, 'RepoNotFound'), gated=(403, 'GatedRepo'))

    class Hub(http.server.BaseHTTPRequestHandler):

        def log_message(self, *args) -> None:
            pass

        def do_HEAD(self) -> bytes:
            _, owner, name, *_, file = self.path.split('/')
            path, content = folder / file, b''
            if '/resolve/main/' not in self.path or owner in refused:
                code, why = refused.get(owner, (404, 'RepoNotFound'))
            elif not path.is_file():
                code, why = 404, 'EntryNotFound'
            else:
                code, why, content = 200, '', path.read_bytes()
            self.send_response(code)
            if why:
                self.send_header('X-Error-Code', why)
            else:
                digest = hashlib.sha1(content).hexdigest()
                self.send_header('ETag', f'"{digest}"')
                self.send_header('X-Repo-Commit', '0' * 40)
            self.send_header('Content-Length', str(len(content)))
            self.end_headers()
            return content

        def do_GET(self) -> None:
            content = self.do_HEAD()
            self.wfile.write(content)
            if content:
                _, owner, name, *_, file = self.path.split('/')
                fetched.append((f'{owner}/{name}', file))

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{server.server_port}'
        for name, value in dict(
                ENDPOINT=address,
                HUGGINGFACE_CO_URL_TEMPLATE=address +
                '/{repo_id}/resolve/{revision}/{filename}',
                HF_HUB_CACHE=str(tmp_path / 'cache')).items():
            monkeypatch.setattr(client.constants, name, value)
        yield fetched
        server.shutdown()
