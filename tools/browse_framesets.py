"""Draw what a model really sees: its spatial frames and framesets.

    python tools/browse_framesets.py configs/dualpath_vit-mini_digits.py

Reads a few samples of a data set through the config's pipeline and data
preprocessor and draws them with their labels, one row a sample.
"""
import argparse
from pathlib import Path

import matplotlib
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmdualpath.apis.programs import program
from mmdualpath.visualization.pictures import side_by_side, to_images

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402


def main() -> None:
    """Draw the samples of a config's data set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config', help='config of a dual-path model')
    parser.add_argument('--out', type=Path, default=Path('framesets.png'))
    parser.add_argument(
        '--split', choices=('train', 'val', 'test'), default='test')
    parser.add_argument('--samples', type=int, default=4)
    parser.add_argument(
        '--labels', type=Path, help='file with the name of a class per line')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_args()

    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    init_default_scope('mmaction')
    dataset = DATASETS.build(cfg[f'{args.split}_dataloader'].dataset)
    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    names = args.labels.read_text().split('\n') if args.labels else None

    count = min(args.samples, len(dataset))
    rows = []
    for index in range(count):
        data = preprocessor(pseudo_collate([dataset[index]]))
        label = data['data_samples'][0].gt_label.item()
        views = {
            k: side_by_side(to_images(v[0, 0], preprocessor))
            for k, v in data['inputs'].items()
        }
        rows.append((names[label] if names else f'label {label}', views))

    paths = list(rows[0][1])
    widths = [rows[0][1][p].shape[1] / rows[0][1][p].shape[0] for p in paths]
    figure, axes = plt.subplots(
        count,
        len(paths),
        squeeze=False,
        figsize=(2.2 * sum(widths) + 0.6, 2.4 * count),
        width_ratios=widths,
        layout='constrained')
    titles = dict(spatial='spatial frames', temporal='framesets')
    for row, (label, views) in enumerate(rows):
        for column, path in enumerate(paths):
            axis = axes[row][column]
            axis.imshow(views[path], interpolation='nearest')
            axis.set_xticks([])
            axis.set_yticks([])
            if column == 0:
                axis.set_ylabel(label)
            if row == 0:
                axis.set_title(titles[path])
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    print(f'Wrote {args.out}.')


if __name__ == '__main__':
    with program():
        main()
