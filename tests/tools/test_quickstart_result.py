"""What a quickstart reached is kept beside what others did on this machine."""
import json

import pytest
from helpers import load_tool

quickstart_result = load_tool('quickstart_result.py')

LOGS = {
    'pretrain.log': 'accuracy/top1: 91.2500',
    'dualpath.test.log': 'acc/top1: 0.5000\nacc/top1: 0.9825',
    'spatial.test.log': 'acc/top1: 0.2500'
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The logs of a quickstart, on a machine with torch 2.8."""
    work = tmp_path / 'seed3'
    work.mkdir()
    for name, text in LOGS.items():
        (work / name).write_text(text)
    on(monkeypatch, '2.8.0+cpu')
    return work


def on(monkeypatch, torch):
    monkeypatch.setattr(
        'mmdualpath.analysis.provenance.machine',
        lambda *_: dict(cpu='Intel(R) Core(TM) i7-12700H', torch=torch))


def seeds(folder):
    """Seeds by file."""
    return {
        file.name: sorted(json.loads(file.read_text())['seeds'])
        for file in folder.parent.glob('*.json')
    }


def test_seeds_of_a_machine_are_together(folder, monkeypatch):
    for seed in ('3', '10', '3'):
        quickstart_result.main([str(folder), '--seed', seed])
    intel = 'intel-core-i7-12700h-torch-2.8.0-cpu.json'
    assert seeds(folder) == {intel: ['10', '3']}
    content = json.loads((folder.parent / intel).read_text())
    assert content['seeds']['3'] == {
        'still digits, the frozen ViT': 91.25,
        'DualPath': 98.25,
        'without the temporal path': 25.
    }
    # Another torch is another machine.
    on(monkeypatch, '2.11.0')
    quickstart_result.main([str(folder), '--seed', '4'])
    assert seeds(folder) == {
        intel: ['10', '3'],
        'intel-core-i7-12700h-torch-2.11.0.json': ['4']
    }


def test_seeds_of_other_data_are_dropped(folder):
    quickstart_result.main([str(folder), '--seed', '3'])
    file, = folder.parent.glob('*.json')
    content = json.loads(file.read_text())
    content['depends']['tools/data/render_digits.py'] = 'another'
    file.write_text(json.dumps(content))
    quickstart_result.main([str(folder), '--seed', '4'])
    assert seeds(folder) == {file.name: ['4']}


def test_too_little_is_an_error(folder, capsys):
    quickstart_result.main([str(folder), '--seed', '3', '--at-least', '98'])
    with pytest.raises(ValueError, match='reached 98.25 %, expected .* 99 %'):
        quickstart_result.main(
            [str(folder), '--seed', '3', '--at-least', '99'])
    # The figures are said and kept all the same.
    assert capsys.readouterr().out.count('98.25 %') == 2
    assert len(seeds(folder)) == 1


def test_a_log_without_its_figure_is_named(folder):
    (folder / 'spatial.test.log').write_text('Epoch(test) [50/50]')
    with pytest.raises(ValueError, match='spatial.test.log has no acc/top1'):
        quickstart_result.main([str(folder), '--seed', '3'])
    assert not seeds(folder)
