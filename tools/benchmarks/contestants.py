"""Who takes part in a benchmark, and how each is run."""
import functools
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence

import mmaction
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode

from mmdualpath.analysis.complexity import count_macs, count_params, view_of
from mmdualpath.analysis.memory import bytes_of, peak_bytes, without_values
from mmdualpath.analysis.structure import build_structure, without_weights
from mmdualpath.compat import float_drop_probs

OURS = Path(__file__).parents[2] / 'configs'
STOCK = Path(mmaction.__file__).parent / '.mim/configs/recognition'
MODES = ('eager', 'compile', 'graphs')


@dataclass(frozen=True)
class Contestant:
    """A model that takes part.

    Attributes:
        config: Name of a config of this project, or the path of one of
            MMAction2's under ``configs/recognition``.
        bare: Whether only the frozen backbone runs, on the images that all
            paths of the model read.
        apart: Whether the bare backbone reads the images of each path in a
            pass of its own.
        options: Changes to the config.
    """
    config: str
    bare: bool = False
    apart: bool = False
    options: Dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file of the config.

        Raises:
            ValueError: If there is none of this name.
        """
        path = next(OURS.rglob(f'{Path(self.config).name}.py'), OURS)
        if '/' in self.config:
            path = STOCK / f'{self.config}.py'
        if not path.is_file():
            raise ValueError(f'There is no config {self.config}.')
        return path

    @property
    def depends(self) -> List[str]:
        """What its figures depend on in this checkout."""
        if OURS not in self.path.parents:
            return []
        return [f'{self.path.relative_to(OURS.parent)}#network']

    def load(self) -> Config:
        """The config, which reads no weights."""
        cfg = Config.fromfile(self.path)
        init_default_scope(cfg.get('default_scope', 'mmaction'))
        cfg.merge_from_dict(dict(self.options))
        cfg.model = without_weights(cfg.model)
        return cfg


def _instead_of_adaptformer(**adapter: Any) -> Contestant:
    """An adapter at every linear layer, or none, of AdaptFormer's config."""
    sites = ('qkv', 'proj', 'fc1', 'fc2') if adapter else ()
    adapters = {site: dict(site=site, **adapter) for site in sites}
    return Contestant(
        'adaptformer_vitb_ssv2',
        options={'model.backbone.adapters': dict(_delete_=True, **adapters)})


# A class token a frame, their mean, then FC.
CLASS_TOKENS = {
    'model.backbone.tokens': 'class_token',
    'model.cls_head.num_frames': 8,
    'test_dataloader.dataset.pipeline.1.clip_len': 8
}
LINEAR = {**CLASS_TOKENS, 'model.cls_head.type': 'FrameMeanHead'}
CONTESTANTS: Dict[str, Contestant] = {
    'DualPath B/16, 16 frames':
    Contestant('dualpath_vitb_ssv2'),
    'bare ViT-B/16, the same 9 images':
    Contestant('dualpath_vitb_ssv2', bare=True),
    'bare ViT-B/16, 8 + 1 images':
    Contestant('dualpath_vitb_ssv2', bare=True, apart=True),
    'DualPath B/16, 32 frames':
    Contestant('dualpath-tg2_vitb_ssv2'),
    'DualPath B/16, 48 frames':
    Contestant('dualpath-tg3_vitb_ssv2'),
    'DualPath L/14, 16 frames':
    Contestant('dualpath_vitl_ssv2'),
    'DualPath B/16, checkpointing':
    Contestant('dualpath_vitb_ssv2', options={'model.backbone.with_cp': True}),
    'DualPath B/16, checkpointing, bf16 frozen':
    Contestant(
        'dualpath_vitb_ssv2',
        options={
            'model.backbone.with_cp': True,
            'model.backbone.frozen_dtype': 'bfloat16'
        }),
    'ST-Adapter B/16, 8 frames':
    Contestant('st-adapter-t8_vitb_ssv2'),
    'ST-Adapter B/16, 32 frames':
    Contestant('st-adapter_vitb_ssv2'),
    'AIM B/16, 8 frames':
    Contestant('aim_vitb_k400'),
    'ZeroI2V B/16, 8 frames':
    Contestant('zeroi2v_vitb_k400'),
    'ZeroI2V B/16, 8 frames, folded':
    Contestant(
        'zeroi2v_vitb_k400',
        options={
            f'model.backbone.adapters.{name}.enabled': False
            for name in ('attn_in', 'attn_out', 'mlp_in', 'mlp_out')
        }),
    'TIA B/16, 8 frames':
    Contestant('tia_vitb_k400'),
    'attentive probe B/16, 8 frames':
    Contestant(
        'probe_vitb_ssv2',
        options={
            'model.cls_head.num_frames': 8,
            'test_dataloader.dataset.pipeline.1.clip_len': 8
        }),
    'attentive probe B/16, 8 frames, checkpointing':
    Contestant(
        'probe_vitb_ssv2',
        options={
            'model.cls_head.num_frames': 8,
            'model.cls_head.with_cp': True,
            'test_dataloader.dataset.pipeline.1.clip_len': 8
        }),
    'attentive probe B/16, 8 frames, from files':
    Contestant(
        'probe_vitb_ssv2',
        options={
            'model.backbone.cache': '',
            'model.cls_head.num_frames': 8,
            'test_dataloader.dataset.pipeline.1.clip_len': 8
        }),
    'attentive probe B/16, 8 frames, pooled 2 x 2':
    Contestant(
        'probe_vitb_ssv2',
        options={
            'model.backbone.pool': 2,
            'model.cls_head.num_frames': 8,
            'test_dataloader.dataset.pipeline.1.clip_len': 8
        }),
    'attentive probe B/16, 8 frames, pooled 2 x 2, 16 images at once':
    Contestant(
        'probe_vitb_ssv2',
        options={
            'model.backbone.pool': 2,
            'model.backbone.at_once': 16,
            'model.cls_head.num_frames': 8,
            'model.cls_head.with_cp': True,
            'test_dataloader.dataset.pipeline.1.clip_len': 8
        }),
    'attentive probe B/16, 8 frames, pooled 2 x 2, from files':
    Contestant(
        'probe_vitb_ssv2',
        options={
            'model.backbone.pool': 2,
            'model.backbone.cache': '',
            'model.cls_head.num_frames': 8,
            'test_dataloader.dataset.pipeline.1.clip_len': 8
        }),
    'attentive probe B/16, 8 frames, class tokens':
    Contestant('probe_vitb_ssv2', options=CLASS_TOKENS),
    'attentive probe B/16, 8 frames, class tokens, 16 images at once':
    Contestant(
        'probe_vitb_ssv2',
        options={
            'model.backbone.at_once': 16,
            **CLASS_TOKENS
        }),
    'attentive probe B/16, 8 frames, class tokens, from files':
    Contestant(
        'probe_vitb_ssv2',
        options={
            'model.backbone.cache': '',
            **CLASS_TOKENS
        }),
    'linear probe B/16, 8 frames':
    Contestant('probe_vitb_ssv2', options=LINEAR),
    'linear probe B/16, 8 frames, 16 images at once':
    Contestant(
        'probe_vitb_ssv2', options={
            'model.backbone.at_once': 16,
            **LINEAR
        }),
    'linear probe B/16, 8 frames, from files':
    Contestant(
        'probe_vitb_ssv2', options={
            'model.backbone.cache': '',
            **LINEAR
        }),
    'EVL B/16, 8 frames':
    Contestant('evl_vitb_k400'),
    'Side4Video B/16, 8 frames':
    Contestant('side4video_vitb_k400'),
    'Side4Video B/16, 8 frames, checkpointing':
    Contestant(
        'side4video_vitb_k400', options={'model.cls_head.with_cp': True}),
    'AdaptFormer B/16, 8 frames':
    Contestant('adaptformer_vitb_ssv2'),
    'LoRA B/16, 8 frames':
    _instead_of_adaptformer(type='LoRA', rank=8),
    'SSF B/16, 8 frames':
    _instead_of_adaptformer(type='SSF'),
    'LoRA or SSF B/16, 8 frames, folded':
    _instead_of_adaptformer(),
    'full fine-tuning B/16, 8 frames':
    Contestant('full_vitb_ssv2'),
    'full fine-tuning B/16, 8 frames, checkpointing':
    Contestant('full_vitb_ssv2', options={'model.backbone.with_cp': True}),
    'full fine-tuning B/16, 16 frames':
    Contestant(
        'full_vitb_ssv2',
        options={
            'model.cls_head.num_frames': 16,
            'test_dataloader.dataset.pipeline.1.clip_len': 16
        }),
    'UniFormer-B, 32 frames':
    Contestant('uniformer/uniformer-base_imagenet1k-pre_32x4x1_'
               'kinetics400-rgb'),
    'UniFormerV2-B, 8 frames':
    Contestant('uniformerv2/uniformerv2-base-p16-res224_clip_8xb32-u8_'
               'kinetics400-rgb'),
    'Video Swin-B, 32 frames':
    Contestant('swin/swin-base-p244-w877_in1k-pre_8xb8-amp-32x2x1-30e_'
               'kinetics400-rgb'),
    'TimeSformer, 8 frames':
    Contestant('timesformer/timesformer_divST_8xb8-8x32x1-15e_'
               'kinetics400-rgb'),
    'VideoMAE-B, 16 frames':
    Contestant('videomae/vit-base-p16_videomae-k400-pre_16x4x1_kinetics-400'),
}


class BareBackbone(nn.Module):
    """The frozen backbone of a dual-path model and nothing else.

    Args:
        model: The dual-path model; its views are left as they are.
        cfg: Config of the frozen backbone.
    """

    def __init__(self, model: nn.Module, cfg: Config) -> None:
        super().__init__()
        cfg = {k: v for k, v in cfg.items() if k != 'init_cfg'}
        self.backbone = MODELS.build(cfg).requires_grad_(False)
        float_drop_probs(self.backbone)

    def forward(self, inputs: Sequence[Tensor], stage: str = 'head') -> Tensor:
        """Images ``(N, 3, H, W)`` of each pass ``-> (sum of N, C)``."""
        return torch.cat([self.backbone(images)[-1] for images in inputs])


class Entry:
    """A contestant on a device, with what its turns need.

    Args:
        contestant: Who.
        device: ``cpu`` or ``cuda``.
        dtype: Type of weights and inputs of inference, and of autocast in
            training.
        mode: One of ``MODES``.
    """

    def __init__(self, contestant: Contestant, device: str, dtype: torch.dtype,
                 mode: str) -> None:
        self.contestant, self.device, self.dtype = contestant, device, dtype
        self.mode = mode
        self.cfg = contestant.load()
        self.shape = view_of(self.cfg).shape[1:]
        self._compiled: Optional[Callable] = None
        self.warm = set()

    @functools.cached_property
    def model(self) -> nn.Module:
        """In float32, which training needs."""
        model = MODELS.build(self.cfg.model)
        if self.contestant.bare:
            model = BareBackbone(model, self.cfg.model.backbone.backbone)
        return model.to(self.device)

    @functools.cached_property
    def inference_model(self) -> nn.Module:
        """In the type that is asked for; an own copy if another one."""
        if self.dtype == torch.float32:
            model = self.model
        else:
            model = Entry(self.contestant, 'cpu', torch.float32, 'eager').model
            model = model.to(self.device, self.dtype)
        return model

    @property
    def cached(self) -> bool:
        """Whether features are read, and no images."""
        return self.cfg.model.backbone.get('cache') is not None

    def counts(self) -> Dict[str, float]:
        """What is counted, not measured: of one clip."""
        model = build_structure(self.cfg.model)
        params = count_params(model)
        cached = self.cached
        model.backbone.cache = None
        macs = count_macs(model, view_of(self.cfg))
        if cached:
            macs = {
                part: {
                    k: v
                    for k, v in split.items() if k != 'frozen'
                }
                for part, split in macs.items()
            }
        if self.contestant.bare:
            total = sum(split.get('frozen', 0) for split in macs.values())
            params = count_params(self.model)
            return dict(macs=total, params=params['total'], trainable=0)
        counts = dict(
            macs=sum(sum(split.values()) for split in macs.values()),
            params=params['total'],
            trainable=params['trainable'])
        # The counter takes the gradients of grouped convolutions for dense.
        if not cached and not any(
                getattr(m, 'groups', 1) > 1 for m in model.modules()):
            with FlopCounterMode(display=False) as counter:
                model.train()(view_of(self.cfg), stage='head').sum().backward()
            counts['train_flops'] = counter.get_total_flops()
        return counts

    def data(self, batch: int) -> Any:
        """The inputs of a batch, as the data preprocessor makes them."""
        preprocessor = MODELS.build(self.cfg.model.data_preprocessor)
        clips = torch.randint(255, self.shape, dtype=torch.uint8)
        samples = [ActionDataSample().set_gt_label(0) for _ in range(batch)]
        inputs = preprocessor.to(self.device)(dict(
            inputs=[clips] * batch, data_samples=samples))['inputs']
        if self.cached:
            network = Entry(self.contestant, self.device, self.dtype,
                            self.mode).model.backbone
            network.cache = None
            tokens = network(inputs.flatten(0, 1)).tokens
            return torch.stack(tokens, 1).unflatten(0, (batch, -1))
        if self.contestant.bare:
            inputs = [v.flatten(0, 2) for v in inputs.values()]
            if not self.contestant.apart:
                inputs = [torch.cat(inputs)]
        return inputs

    def inference(self, batch: int) -> Callable[[], Any]:
        """A function that runs the network on a batch already there."""
        model = self.inference_model
        model.eval()
        inputs = tree_map(lambda t: t.to(self.dtype), self.data(batch))
        if self.mode == 'compile':
            self._compiled = self._compiled or torch.compile(model)
            model = self._compiled

        @torch.inference_mode()
        def run() -> Tensor:
            return model(inputs, stage='head')

        return _as_graph(run) if self.mode == 'graphs' else run

    def training(self, batch: int) -> Callable[[], Any]:
        """A function that makes one training step of AdamW."""
        return self._training(self.model, self.data(batch))

    def _training(self, model: nn.Module, inputs: Any) -> Callable[[], Any]:
        stored = self.cfg.model.backbone.get('frozen_dtype')
        if stored and self.dtype == torch.float32:
            raise ValueError(f'stored in {stored}, it trains under autocast')
        model.train()
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
        # Losses are computed outside of what is compiled, as the trainer does.
        network = torch.compile(model) if self.mode != 'eager' else model
        autocast = nullcontext() if self.dtype == torch.float32 else \
            torch.autocast(self.device, self.dtype)
        scaler = torch.amp.GradScaler(
            self.device, enabled=self.dtype == torch.float16)

        def run() -> None:
            with autocast:
                scores = network(inputs, stage='head')
            labels = scores.new_zeros(len(scores), dtype=torch.long)
            loss = nn.functional.cross_entropy(scores.float(), labels)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()

        return run

    def memory(self, batch: int) -> float:
        """Peak bytes of training: weights, optimizer and one step.

        On a CPU nothing is computed for it, tensors without values do.
        """

        def two_steps(model: nn.Module, inputs: Any) -> None:
            step = self._training(model, inputs)
            step()  # makes the optimizer's state
            step()

        inputs = self.data(batch)
        if self.device == 'cpu':
            model = build_structure(self.cfg.model)
            with FakeTensorMode():
                model = without_values(model)
                inputs = tree_map(lambda t: torch.empty(t.shape), inputs)
                return bytes_of(model) + peak_bytes(
                    lambda: two_steps(model, inputs))
        torch.cuda.empty_cache()
        others = torch.cuda.memory_allocated() - bytes_of(self.model)
        torch.cuda.reset_peak_memory_stats()
        two_steps(self.model, inputs)
        return torch.cuda.max_memory_allocated() - others


def _as_graph(run: Callable[[], Any]) -> Callable[[], Any]:
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        run()
        run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run.result = run()  # the graph's memory stays valid
    return graph.replay
