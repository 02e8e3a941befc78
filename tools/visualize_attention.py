"""Draw what the class tokens of both paths attend to.

    python tools/visualize_attention.py CONFIG CHECKPOINT VIDEO... --out DIR
    python tools/visualize_attention.py CONFIG CHECKPOINT --samples 4
    python tools/visualize_attention.py CONFIG - VIDEO   # as pretrained

The maps of Figures 4 and A1 of the DualPath paper: spatial frames, framesets,
and framesets cut back into their frames in time order, without adaptation
(the frozen network alone) and with it (the checkpoint). Attention is computed
from queries and keys here only; the model itself attends as always. In Swin,
which has no class token, the mean over all tokens' queries takes its place,
and windows attend within themselves.
"""
import argparse
import sys
from pathlib import Path
from typing import Dict, List, Optional, Union

from mmaction.registry import DATASETS
from mmengine.config import Config, DictAction
from torch import nn

from mmdualpath.apis.inference import VideoInferencer, find_videos, for_each
from mmdualpath.apis.programs import program
from mmdualpath.apis.windows import VideoResult
from mmdualpath.datasets.decoding import open_video
from mmdualpath.models.backbones import AdaptedBackbone, views_of
from mmdualpath.visualization import without_adapters
from mmdualpath.visualization.pictures import sheet
from mmdualpath.visualization.predictions import save, write_video
from mmdualpath.visualization.sheets import (attention_frames, attention_rows,
                                             model_sections, read_segment)


def parse_heads(text: str) -> Union[str, List[int]]:
    """``mean``, ``each`` or numbers with commas between them."""
    if text in ('mean', 'each'):
        return text
    try:
        return [int(number) for number in text.split(',')]
    except ValueError:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not "mean", "each" or numbers such as "0,3".')


def bare_networks(model: nn.Module, cfg: Config) -> Optional[Dict]:
    """The frozen network of every path without what was trained."""
    views = views_of(model.backbone)
    if not all(isinstance(v, AdaptedBackbone) for v in views.values()):
        return None
    return {
        path: without_adapters(view, cfg.model.backbone.backbone)
        for path, view in views.items()
    }


def videos_of(args: argparse.Namespace, cfg: Config) -> List[str]:
    """Videos of the command line, or the first ones of a data set."""
    if args.videos:
        return find_videos(args.videos)
    dataset = DATASETS.build(cfg[f'{args.split}_dataloader'].dataset)
    return [
        dataset.get_data_info(index)['filename']
        for index in range(min(args.samples, len(dataset)))
    ]


def main() -> bool:
    """Draw the videos of the command line; gives whether some was skipped."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('config')
    parser.add_argument(
        'checkpoint', help='"-" for the pretrained network alone')
    parser.add_argument(
        'videos',
        nargs='*',
        metavar='VIDEO',
        help="files or folders; defaults to samples of the config's data")
    parser.add_argument('--out', type=Path, default=Path('attention'))
    parser.add_argument(
        '--split', choices=('train', 'val', 'test'), default='test')
    parser.add_argument('--samples', type=int, default=4)
    parser.add_argument(
        '--block', type=int, default=-1, help='number of the block')
    parser.add_argument(
        '--heads',
        type=parse_heads,
        default='mean',
        help='"mean", "each" or numbers such as 0,3')
    parser.add_argument(
        '--rollout',
        action='store_true',
        help='attention rolled out over all blocks up to --block')
    parser.add_argument(
        '--frames', type=int, default=8, help='spatial frames drawn at most')
    parser.add_argument(
        '--video', action='store_true', help='write videos as well')
    parser.add_argument('--fps', type=float, default=4., help='of the videos')
    parser.add_argument(
        '--labels', type=Path, help='file with the name of a class per line')
    parser.add_argument('--device', help='such as cpu or cuda:0')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_intermixed_args()

    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    trained = args.checkpoint != '-'
    inferencer = VideoInferencer(cfg.copy(),
                                 args.checkpoint if trained else None,
                                 args.device, args.labels)
    model = inferencer.model
    bare = bare_networks(model, cfg)

    def draw(result: VideoResult, name: str) -> None:
        video = result.video
        reader = open_video(video)
        inputs = read_segment(inferencer, reader, 0, len(reader),
                              reader.get_avg_fps())
        rows = attention_rows(
            model,
            inputs,
            bare,
            args.block,
            args.heads,
            args.rollout,
            adapted=trained or bare is None)
        title = Path(video).name
        if trained:
            best = inferencer.predict(video, topk=1)['predictions'][0]
            title += f': {best["label"]} ({best["score"]:.0%})'
        sections = model_sections(model, inputs, rows, args.frames)
        path = args.out / f'{name}.png'
        save(sheet(sections, title), path)
        print(f'Wrote {path}.')
        if args.video:
            path = args.out / f'{name}.mp4'
            frames = attention_frames(model, inputs, rows)
            write_video(path, frames, args.fps)
            print(f'Wrote {path}.')

    return for_each(videos_of(args, cfg), draw) > 0


if __name__ == '__main__':
    with program():
        sys.exit(main())
