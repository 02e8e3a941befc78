"""Full-size configs made small, and videos to run them on."""
import importlib.util
import socket
import sys
from pathlib import Path
from types import ModuleType

from mmengine.config import Config

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs'
PIXELS = 64
# Tiny transformers of MMAction2 that read clips.
TIMESFORMER = dict(
    type='TimeSformer',
    num_frames=4,
    img_size=32,
    patch_size=8,
    embed_dims=24,
    num_heads=2,
    num_transformer_layers=1)
MVIT = dict(
    type='mmaction.MViT',
    arch=dict(embed_dims=8, num_layers=3, num_heads=1, downscale_indices=[1]),
    spatial_size=32,
    temporal_size=4,
    output_cls_token=False)
UNIFORMERV2 = dict(
    type='UniFormerV2',
    input_resolution=32,
    patch_size=8,
    width=24,
    layers=2,
    heads=2,
    t_size=4,
    return_list=[1],
    n_layers=1,
    n_dim=24,
    n_head=2,
    mlp_dropout=[0.],
    clip_pretrained=False)


def free_port() -> int:
    """A port of this machine that nothing listens to."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        return free.getsockname()[1]


def config(name: str) -> Path:
    """Path of a shipped config by its name, whatever its folder."""
    path, = CONFIGS.rglob(f'{name}.py')
    return path


def load_tool(path: str) -> ModuleType:
    """Import a script of ``tools/`` as a module.

    As when it is run, its folder is the first that it imports from.
    """
    file = ROOT / 'tools' / path
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent))
    return module


def shrink(cfg: Config, dims: int = 48, heads: int = 4) -> Config:
    """Make a config of DualPath, or of one view of a frozen backbone, tiny.

    In place: the same parts, 64 pixels, a ViT of ``dims`` channels.
    """
    backbone = cfg.model.backbone.backbone
    backbone.init_cfg = dict(type='RandomWeights')
    backbone.img_size = PIXELS
    if 'Swin' in backbone.type:
        backbone.arch = dict(embed_dims=24, depths=[2, 2], num_heads=[2, 4])
        backbone.update(patch_size=4, window_size=4, out_indices=(1, ))
        features = 48
    else:
        backbone.arch = dict(
            embed_dims=dims,
            num_layers=2,
            num_heads=heads,
            feedforward_channels=2 * dims)
        backbone.patch_size = 8
        features = dims
        if backbone.get('out_dims'):
            backbone.out_dims = features = 24
    views = [cfg.model.backbone]
    if cfg.model.type == 'DualPath':
        paths = [views[0].get(path) for path in ('spatial', 'temporal')]
        views = [view for view in paths if view is not None]
        cfg.model.cls_head.hidden_channels = 16
    for view in views:
        for adapter in view.get('adapters', {}).values():
            if 'width' in adapter:
                adapter['width'] = 8
            if len(adapter.get('blocks') or ()) > 1:
                adapter['blocks'] = [-1]
    head = cfg.model.cls_head
    head.in_channels = len(views) * features
    if len(views[0].get('blocks', ())) > 1:
        views[0].blocks = [-2, -1]
    sizes = dict(
        num_layers=2, num_blocks=2, patch_size=8, grid=PIXELS // 8, dims=16)
    head.update({k: v for k, v in sizes.items() if k in head})
    preprocessor = cfg.model.data_preprocessor
    if preprocessor.get('frameset_size'):
        preprocessor.frameset_size = preprocessor.frameset_size * PIXELS // 224
    for loader in ('train', 'val', 'test'):
        for step in cfg[f'{loader}_dataloader'].dataset.pipeline:
            if step.type == 'Resize':
                step.scale = tuple(s if s == -1 else PIXELS
                                   for s in step.scale)
            if 'crop_size' in step:
                step.crop_size = PIXELS
    return cfg


def on_rendered_videos(cfg: Config, root: Path, train: int,
                       test: int) -> Config:
    """Point a config's loaders to a few rendered videos, in place."""
    tool = load_tool('data/render_digits.py')
    for split, (name, count) in enumerate((('train', train), ('test', test))):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            tool.render_video(index, folder, split, slice(0, 50), 20, 80)
        (root / f'{name}.txt').write_text(''.join(f'{i:05d}.mp4 {i % 8}\n'
                                                  for i in range(count)))
    for loader in ('train', 'val', 'test'):
        name = 'train' if loader == 'train' else 'test'
        cfg[f'{loader}_dataloader'].update(
            batch_size=2, num_workers=0, persistent_workers=False)
        cfg[f'{loader}_dataloader'].dataset.update(
            ann_file=str(root / f'{name}.txt'),
            data_prefix=dict(video=str(root / name)))
    cfg.model.cls_head.update(num_classes=8, topk=(1, 5))
    return cfg
