"""Draw what a model really sees: its spatial frames and framesets.

    python tools/browse_framesets.py configs/dualpath_vit-mini_digits.py

Reads a few samples of a data set through the config's pipeline and data
preprocessor and draws them with their labels. Frames stand in two rows beside
the framesets, which are drawn as large as both.
"""
import argparse
from pathlib import Path

import matplotlib
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config, DictAction
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmdualpath.apis.programs import program
from mmdualpath.datasets.collection import read_names
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
    names = read_names(args.labels) if args.labels else None

    count = min(args.samples, len(dataset))
    rows = []
    for index in range(count):
        data = preprocessor(pseudo_collate([dataset[index]]))
        label = data['data_samples'][0].gt_label.item()
        views = {}
        for path, value in data['inputs'].items():
            images = to_images(value[0, 0], preprocessor)
            half = -(-len(images) // 2)
            views[path] = side_by_side(
                images, per_row=half if path == 'spatial' else None)
        rows.append((names[label] if names else f'label {label}', views))

    paths = list(rows[0][1])
    widths = [rows[0][1][p].shape[1] / rows[0][1][p].shape[0] for p in paths]
    across = min(count, 2 if sum(widths) < 2 else 1)  # samples in a row
    figure, axes = plt.subplots(
        -(-count // across),
        across * len(paths),
        squeeze=False,
        figsize=((2.6 * sum(widths) + 0.6) * across,
                 2.8 * -(-count // across)),
        width_ratios=widths * across,
        layout='constrained')
    titles = dict(spatial='spatial frames', temporal='framesets')
    for axis in axes.flat:
        axis.set_axis_off()
    for number, (label, views) in enumerate(rows):
        row, left = divmod(number, across)
        for column, path in enumerate(paths, left * len(paths)):
            axis = axes[row][column]
            axis.set_axis_on()
            axis.imshow(views[path], interpolation='nearest')
            axis.set_xticks([])
            axis.set_yticks([])
            if column == left * len(paths):
                axis.set_ylabel(label)
            if row == 0:
                axis.set_title(titles[path])
    args.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out, dpi=150)
    print(f'Wrote {args.out}.')


if __name__ == '__main__':
    with program():
        main()
