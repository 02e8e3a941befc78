"""Figures of the documentation are those of their files, and still true."""
import ast
import importlib
import json
import subprocess
import sys

import pytest
from helpers import ROOT, config, load_tool
from mmaction.registry import MODELS
from mmengine.config import Config

from mmdualpath.analysis import provenance

tool = load_tool('tables.py')
option_tables = tool.option_tables
FILES = tool.measured(ROOT)
names = [str(p.relative_to(ROOT)) for p in FILES]


@pytest.mark.parametrize('path', FILES, ids=names)
def test_a_figure_is_of_what_is_here(path):
    """Else the command that stands in its file has to be run again."""
    content = FILES[path]
    changed = provenance.stale(content)
    assert not changed, (
        f'{", ".join(changed)} changed since {path.name} was measured. '
        f'Measure it again:\n{content["command"]}')
    assert set(content) >= {'command', 'date', 'commit', 'machine', 'depends'}
    assert content['depends']
    assert set(content['machine']) >= {'cpu', 'gpu', 'python', 'torch'}


# The report of the study says of itself where its figures are from.
OTHERS = ['docs/miniature/results.json']


def test_every_file_of_figures_says_where_it_is_from():
    """Or holds figures that papers print, and none of ours."""
    others = [ROOT / name for name in OTHERS]
    for path in (ROOT / 'docs').rglob('*.json'):
        if path not in FILES and path not in others:
            points = json.loads(path.read_text())
            assert {p['source'] for p in points} == {'paper'}, path


def test_pages_are_as_they_would_be_written():
    for page in tool.texts(ROOT):
        text = page.read_text()
        assert tool.filled(page, text) == text, (
            f'{page.relative_to(ROOT)}: run python tools/tables.py')


# ---- the mechanism ----------------------------------------------------------


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A checkout with one page and one file."""
    monkeypatch.setattr(tool, 'ROOT', tmp_path)
    monkeypatch.setattr(provenance, 'ROOT', tmp_path)
    (tmp_path / 'docs').mkdir()
    (tmp_path / 'README.md').write_text('nothing\n')
    (tmp_path / 'rule.py').write_text('x = 1\n')
    (tmp_path / 'docs/a.json').write_text(
        json.dumps(
            dict(
                provenance.provenance('python measure.py', ['rule.py']),
                accuracy=dict(mean=95.125, seeds=[95, 96]))))
    (tmp_path / 'docs/page.md').write_text(
        'It is <!-- = a.json : accuracy : mean : .1f -->90.0<!-- / --> %, '
        'or <!-- = b.json : accuracy : .1f -->1<!-- / -->.\n')
    return tmp_path


def run(*args):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', ['tables.py', *args])
        with pytest.raises(SystemExit) as end:
            tool.main()
    return end.value.code


def test_figures_are_written_and_checked(here, capsys):
    assert run('--check') == 1
    assert 'Differs: docs/page.md' in capsys.readouterr().out
    assert run() == 0 and run('--check') == 0
    assert (here / 'docs/page.md').read_text() == (
        'It is <!-- = a.json : accuracy : mean : .1f -->95.1<!-- / --> %, '
        'or <!-- = b.json : accuracy : .1f -->not yet run<!-- / -->.\n')


def test_a_table_of_seeds(here):
    content = provenance.provenance('bash run.sh', ['rule.py'])
    content['seeds'] = {
        '0': {
            'all': 95.,
            'half': 50.
        },
        '1': {
            'all': 98.,
            'half': 40.
        }
    }
    (here / 'docs/c.json').write_text(json.dumps(content))
    (here / 'docs/page.md').write_text('<!-- table of c.json -->\n'
                                       '<!-- end of table -->\n')
    run()
    lines = (here / 'docs/page.md').read_text().splitlines()
    assert lines[2] == '`bash run.sh`' and 'torch' in lines[4]
    assert lines[6:10] == [
        '| top-1, seed | 0 | 1 | least | mean |',
        '| --- | --- | --- | --- | --- |',
        '| all | 95.0 | 98.0 | 95.0 | 96.5 |',
        '| half | 50.0 | 40.0 | 40.0 | 45.0 |'
    ]


def test_what_changed_is_named_with_its_command(here, capsys):
    run()
    (here / 'rule.py').write_text('x = 2\n')
    assert run('--check') == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        'docs/a.json: rule.py changed since it was measured. Measure it '
        'again:', '    python measure.py'
    ]
    (here / 'rule.py').unlink()
    assert run('--check') == 1


@pytest.mark.parametrize('keys, message', [
    ('accuracy : median : .1f', "no 'median' in mean, seeds"),
    ('accuracy : mean : low : .1f', "no 'low' in 95.125"),
])
def test_a_figure_that_is_not_there(here, keys, message):
    (here / 'docs/page.md').write_text(f'It is <!-- = a.json : {keys} -->1'
                                       '<!-- / -->')
    with pytest.raises(ValueError, match=message):
        run()


def test_figures_of_a_config():
    text = 'so <!-- = configs/dualpath_vitb_ssv2.py : {} -->?<!-- / -->'
    for key, wanted in (('parameters', '12.62 / 98.81'), ('megabytes : .0f',
                                                          '50')):
        found = tool.filled(ROOT / 'README.md', text.format(key))
        assert f'-->{wanted}<!--' in found


# ---- options, from docstrings and annotations -------------------------------

ADAPTERS = '''
from typing import Any, Optional, Sequence

from mmaction.registry import MODELS
from mmdualpath.models.adapters import Adapter

__all__ = ['Table', 'Plain']


class Inner:
    """Does the work.

    Args:
        dims: Channels.
        width: Channels inside.
    """

    def __init__(self, dims: int, width: int = 4) -> None:
        pass


class Table(Adapter):
    """One | two of :class:`Inner`.

    Args:
        base: The module.
        site: Where it stands.
        sizes: ``H`` and W.
        inner: Arguments of :class:`Inner`.
    """
    sites = ('mlp', )

    def __init__(self, base, site, sizes: Optional[Sequence[int]] = (1, 2),
                 **inner: Any) -> None:
        pass


class Plain(Table):
    """Says nothing of an option."""

    def __init__(self, base, site, silent: bool, **others: Any) -> None:
        pass


MODELS.register_module(module=Table)
'''


@pytest.fixture
def adapters(tmp_path, monkeypatch):
    """A module of adapters, two of which a config can name later."""
    (tmp_path / 'table_adapters.py').write_text(ADAPTERS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(MODELS, '_module_dict', dict(MODELS.module_dict))
    yield importlib.import_module('table_adapters')
    sys.modules.pop('table_adapters')


def test_options_are_those_of_docstring_and_signature(adapters):
    options = option_tables.options('table_adapters').splitlines()
    assert options[2:] == [
        '| **`Table`** | `sizes` | `Optional[Sequence[int]]` | `(1, 2)` | '
        '`H` and W. |', '|  | those of `Inner` |  |  |  |',
        '| **`Inner`** | `width` | `int` | `4` | Channels inside. |'
    ]
    places = option_tables.places('table_adapters').splitlines()
    assert places[2:] == [r'| `Table` | One \| two of `Inner`. | `mlp` | - |']


def test_an_option_without_a_word_is_named(adapters):
    MODELS.register_module(module=adapters.Plain)
    with pytest.raises(ValueError, match="Plain does not say what 'silent'"):
        option_tables.options('table_adapters')


def test_every_adapter_has_its_options_on_the_page():
    from mmdualpath.models import adapters
    from mmdualpath.options import options_of
    page = (ROOT / 'docs/adapters.md').read_text()
    for name in adapters.__all__:
        cls = getattr(adapters, name)
        if MODELS.module_dict.get(name) is cls:
            rows = page.split('## Options')[1].partition(f'**`{name}`**')[2]
            rows = rows.partition('| **')[0]
            for option in set(options_of(cls)) - {'base', 'site'}:
                assert f'| `{option}` |' in rows, (name, option)


# ---- fingerprints -----------------------------------------------------------


def test_code_counts_without_comments_and_layout(here):

    def mark(text):
        (here / 'rule.py').write_text(text)
        return provenance.fingerprint('rule.py')

    plain = mark('def f(x):\n    return [x, None]\n')
    assert plain == mark('# why\ndef f(x):\n    """Says."""\n\n'
                         '    return [x,\n            None]  # so\n')
    assert plain != mark('def f(x):\n    return [x]\n')
    assert plain != mark('def f(x):\n    return [x, None], 1\n')
    assert mark('x = ""\n') != mark('x = None\n')
    assert mark('f(a=1)\n') != mark('f(b=1)\n')


def test_syntax_is_told_apart_as_python_does():
    """Whatever differs in ``ast.dump`` differs; nothing else does."""
    seen = {}
    for path in sorted((ROOT / 'mmdualpath').rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.expr, ast.arguments)):
                ours = repr(provenance.code_of(node))
                assert seen.setdefault(ours, ast.dump(node)) == ast.dump(node)


def test_a_config_counts_as_it_is_resolved(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, 'ROOT', tmp_path)
    (tmp_path / 'configs').mkdir()
    file = tmp_path / 'configs/a.py'

    def marks():
        return [
            provenance.fingerprint(f'configs/a.py{part}')
            for part in ('', '#model', '#data')
        ]

    (tmp_path / 'configs/base.py').write_text('model = dict(a=1, b=2)\n')
    file.write_text("_base_ = 'base.py'\ndata = dict(c=3)\n")
    first = marks()
    file.write_text('# other lines\nmodel = dict(b=2, a=1)\n'
                    'data = dict(c=3)\n')
    assert marks() == first
    file.write_text("_base_ = 'base.py'\ndata = dict(c=4)\n")
    second = marks()
    assert [a == b for a, b in zip(first, second)] == [False, True, False]
    for name, message in (('configs/a.py#nothing', "no 'nothing'"),
                          ('configs/b.py', 'no file configs/b.py')):
        with pytest.raises(ValueError, match=message):
            provenance.fingerprint(name)


def network(**options):
    cfg = Config.fromfile(config('dualpath_vitb_ssv2'))
    cfg.merge_from_dict(options)
    return json.dumps(provenance.network(cfg))


POSITIONS = 'model.backbone.temporal.adapters.positions'


@pytest.mark.parametrize('options, same', [
    ({}, True),
    ({
        'model.backbone.spatial.adapters.mlp.dropout': 0.5
    }, True),
    ({
        f'{POSITIONS}.amplitude': 1.
    }, True),
    ({
        'model.backbone.spatial.adapters.mlp.width': 64
    }, False),
    ({
        'model.backbone.spatial.adapters.mlp.enabled': False
    }, False),
    ({
        'model.backbone.temporal.trainable': ['cls_token', 'ln1.*']
    }, False),
    ({
        f'{POSITIONS}.type': 'FrameIndexPositions'
    }, False),
    ({
        'test_dataloader.dataset.pipeline.1.clip_len': 32
    }, False),
])
def test_a_network_counts_by_what_it_computes(options, same):
    assert (network(**options) == network()) == same


def test_a_network_counts_by_how_it_computes(monkeypatch):
    from mmdualpath.models.adapters import ParallelAdapter
    before = network()

    def forward(self, x, *args, **kwargs):
        return self.base(x, *args, **kwargs)

    forward.__module__ = ParallelAdapter.__module__
    monkeypatch.setattr(ParallelAdapter, 'forward', forward)
    assert network() != before


def test_the_commit_is_dirty_if_code_is(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, 'ROOT', tmp_path)
    assert provenance.commit() == 'unknown'

    def git(*args):
        return subprocess.run(
            ['git', '-c', 'user.name=a', '-c', 'user.email=a@b', *args],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True).stdout.strip()

    git('init')
    (tmp_path / 'docs').mkdir()
    for name in ('docs/page.md', 'code.py'):
        (tmp_path / name).write_text('1\n')
    git('add', '.')
    git('commit', '-m', 'first')
    head = git('rev-parse', '--short', 'HEAD')
    (tmp_path / 'docs/page.md').write_text('2\n')
    assert provenance.commit() == head
    (tmp_path / 'code.py').write_text('2\n')
    assert provenance.commit() == f'{head}-dirty'


def test_a_length_is_a_length():
    """However it is written, it is the same computation."""

    def code(text):
        return provenance.code_of(provenance._Lengths().visit(ast.parse(text)))

    assert code('x.shape[0] + y.a.shape[0]') == code('len(x) + len(y.a)')
    assert code('x.shape[1]') != code('len(x)')
