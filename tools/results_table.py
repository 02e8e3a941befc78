"""Write the table of all configs: the paper's figures and what was measured.

    python tools/results_table.py > docs/results.md

The paper's figure is the line "# paper: ..." at the head of a config; what was
measured is the ``Results`` of its entry in ``configs/metafiles``, which
``tools/publish_model.py`` writes. What has neither says so.
"""
import re
from pathlib import Path
from typing import Dict

import yaml

ROOT = Path(__file__).parents[1]
TITLE = """# Results

Written by `python tools/results_table.py > docs/results.md`. Figures in the
column "paper" are the papers'; "measured here" is what was trained and tested
with this package and released; everything else is "not yet run". Parameters
and multiply-adds: `python tools/complexity.py CONFIG`.

| config | paper | measured here |
|---|---|---|
"""


def measured() -> Dict[str, str]:
    """Results of the metafiles by config, as text."""
    found = {}
    for path in sorted((ROOT / 'configs/metafiles').glob('*.yml')):
        for model in yaml.safe_load(path.read_text())['Models']:
            metrics = [
                f'{value} {name}' for result in model.get('Results') or []
                for name, value in result['Metrics'].items()
            ]
            if metrics:
                found[model['Name']] = ', '.join(metrics)
    return found


def paper(config: Path) -> str:
    """The paper's figure at the head of a config, if it names one."""
    head = config.read_text().split('_base_')[0]
    match = re.search(r'# paper: (.+(?:\n# {3}.+)*)', head)
    return match.group(1).replace('\n#', '') if match else '-'


def main() -> None:
    """Print the table."""
    results = measured()
    rows = [
        f'| [{c.stem}](../configs/{c.name}) | {paper(c)} | '
        f'{results.get(c.stem, "not yet run")} |'
        for c in sorted((ROOT / 'configs').glob('*.py'))
    ]
    print(TITLE + '\n'.join(rows))


if __name__ == '__main__':
    main()
