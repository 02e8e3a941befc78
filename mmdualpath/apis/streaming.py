"""Predictions of a stream of frames, of which nothing is computed twice.

DualPath's spatial frames do not see each other, so their features are kept
from one prediction to the next; so are shrunken frames and whole framesets. A
window is what a segment of a file is, sampled by the same transforms: the
scores are those of the clip model on the same frames.
"""
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import torch
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from ..framesets import lay_out, num_framesets, shrink_frames, spatial_indices
from ..models.recognizers import DualPath
from ..sliding import WindowStream
from .windows import segment

# What these make of a frame depends on that frame alone.
PER_FRAME = ('Resize', 'CenterCrop', 'ThreeCrop', 'TenCrop')
# Frames beyond which no sampler is asked for a window.
LONGEST = 4096
# The frames of an image that a path reads, by their numbers.
Image = Tuple[int, ...]


def window_pipeline(cfg: Config) -> Compose:
    """The test pipeline of a config for videos that are open already.

    It reads ``video_reader``, ``total_frames`` and ``start_index``.

    Args:
        cfg: A config of a video model.

    Raises:
        ValueError: If the pipeline decodes nothing.
    """
    init_default_scope(cfg.get('default_scope', 'mmaction'))
    steps = cfg.get('test_pipeline') or cfg.test_dataloader.dataset.pipeline
    kinds = [str(step['type']) for step in steps]
    if not any('Decode' in kind for kind in kinds):
        raise ValueError(f'The test pipeline decodes no video: {kinds}.')
    return Compose([
        dict(type='VideoDecode') if 'Decode' in kind else step
        for step, kind in zip(steps, kinds) if not kind.endswith('Init')
    ])


class _Pipeline:
    """The parts of a pipeline: sampling, what is done to frames, packing."""

    def __init__(self, whole: Compose) -> None:
        self.whole = whole
        kinds = [type(step).__name__ for step in whole.transforms]
        decode = next(i for i, kind in enumerate(kinds) if 'Decode' in kind)
        self.sampling = whole.transforms[:decode]
        rest = list(zip(kinds, whole.transforms))[decode + 1:]
        self.per_frame = [step for kind, step in rest if kind in PER_FRAME]
        others = [kind for kind, _ in rest if kind not in PER_FRAME]
        self.mixing = [
            kind for kind in others
            if kind not in ('FormatShape', 'PackActionInputs')
        ]

    def sample(self, start: int, stop: int, fps: float) -> Dict[str, Any]:
        """Where a window is, with its ``frame_inds`` and ``clip_len``."""
        results = segment(start, stop, fps)
        for step in self.sampling:
            results = step(results)
        return results

    def images(self, frame: np.ndarray) -> Tensor:
        """A frame as the network is to get it: ``(crops, 3, H, W)``."""
        results: Dict[str, Any] = dict(
            imgs=[frame],
            original_shape=frame.shape[:2],
            img_shape=frame.shape[:2],
            clip_len=1,
            num_clips=1,
            modality='RGB')
        for step in self.per_frame:
            results = step(results)
        return torch.from_numpy(np.stack(results['imgs'])).movedim(
            -1, -3).contiguous()


def shortest_window(pipeline: Compose, fps: float = 30.) -> int:
    """Frames of the shortest segment whose clips have frames that ascend.

    A shorter one repeats frames. 16 frames at interval 4 need 61, 16 frames
    spread by ``UniformSample`` 17, since it leaves the last one out.

    Args:
        pipeline: See :func:`window_pipeline`.
        fps: Frames per second.

    Raises:
        ValueError: If there is none of up to ``LONGEST`` frames.
    """
    parts = _Pipeline(pipeline)
    for length in range(1, LONGEST + 1):
        results = parts.sample(0, length, fps)
        clips = np.reshape(results['frame_inds'], (-1, results['clip_len']))
        if (np.diff(clips) > 0).all() and clips.max() < length:
            return length
    raise ValueError(f'No window of up to {LONGEST} frames has as many as '
                     f'{parts.sampling} takes: give one.')


@dataclass
class _Frame:
    """A frame of the stream, as it is kept.

    Attributes:
        images: ``(crops, 3, H, W)``.
        small: Its share of a frameset ``(crops, 3, h, w)``, once it is needed.
    """
    images: Tensor
    small: Optional[Tensor] = None


class StreamingRecognizer(WindowStream):
    """What a model says of the last frames of a stream, every few frames.

    The scores of a window are those that MMAction2's ``inference_recognizer``
    gives for a video of the same frames. Windows lie as those of a file do:
    the first one begins with the stream, each next one ``hop`` frames later.

    Features of frames and of framesets are kept by the numbers of their
    frames, as long as a window may need them. Positions that a clip's
    framesets have by their place among several (``num_framesets`` above 1)
    change from window to window; such framesets are computed anew. Models
    that see several frames at once, and pipelines that treat frames together,
    recompute the whole clip, and say so.

    Args:
        model: As ``init_recognizer`` gives it, with ``cfg``.
        hop: Frames from one prediction to the next.
        window: Frames of a window; None takes :func:`shortest_window`.
        fps: Frames per second, which only a sampler with ``target_fps`` reads.
        pipeline: See :func:`window_pipeline`, which makes it by default.

    Attributes:
        window: Frames of a window.
        hop: Frames from one prediction to the next.
        span: First frame and the one after the last of the latest prediction.
        computed: Images that each path computed for it; clips where the
            model recomputes them.

    Raises:
        ValueError: If ``hop`` or ``window`` is not positive.
    """

    def __init__(self,
                 model: nn.Module,
                 hop: int = 2,
                 window: Optional[int] = None,
                 fps: float = 30.,
                 pipeline: Optional[Compose] = None) -> None:
        pipeline = pipeline or window_pipeline(model.cfg)
        if window is None:
            window = shortest_window(pipeline, fps)
        self.model, self.fps = model, fps
        self._pipeline = _Pipeline(pipeline)
        self.recomputes = self._why_recompute()
        if self.recomputes:
            print_log(
                'The whole clip is computed at every prediction: '
                f'{self.recomputes}.',
                logger='current')
        super().__init__(hop, window)

    def _why_recompute(self) -> str:
        """Why nothing can be kept from one window to the next, if so."""
        name = type(self.model).__name__
        if not isinstance(self.model, DualPath):
            return (f'{name} may see several frames at once; DualPath alone '
                    'keeps what it has computed')
        if self._pipeline.mixing:
            return (f'{" and ".join(self._pipeline.mixing)} of the test '
                    'pipeline may treat frames together')
        if not any(
                map(self.model.backbone.sees_images_alone,
                    self.model.backbone.paths)):
            return 'the adapters of each path see several frames at once'
        return ''

    def reset(self) -> None:
        """Forget the stream; the next frame begins another one."""
        super().reset()
        self._features: Dict[str, Dict[Image, Tensor]] = {}
        self.computed: Dict[str, int] = {}

    @property
    def held(self) -> int:
        """Frames and features that are kept just now."""
        return super().held + sum(map(len, self._features.values()))

    def kept(self, frame: np.ndarray) -> Any:
        """A frame as the network gets it, or whole if clips are recomputed."""
        if self.recomputes:
            return super().kept(frame)
        device = next(self.model.parameters()).device
        return _Frame(self._pipeline.images(frame).to(device))

    def _forget(self) -> None:
        """Drop features, too."""
        super()._forget()
        oldest = next(iter(self._frames))
        for known in self._features.values():
            for image in [i for i in known if i[0] < oldest]:
                del known[image]

    @torch.no_grad()
    def scores_of(self, start: int, stop: int) -> Tensor:
        """Scores ``(classes,)`` of a window, on the CPU.

        Args:
            start: Number of its first frame.
            stop: The one after its last.
        """
        if self.recomputes:
            return self._recomputed(start, stop)
        sampled = self._pipeline.sample(start, stop, self.fps)
        numbers = [self.shown(n) for n in np.ravel(sampled['frame_inds'])]
        length = sampled['clip_len']
        clips = [numbers[i:i + length] for i in range(0, len(numbers), length)]
        features = torch.cat(
            [self._path(path, clips) for path in self.model.backbone.paths],
            -1)
        sample = self.model.cls_head.predict(features, [ActionDataSample()])[0]
        return sample.pred_score.cpu()

    def _recomputed(self, start: int, stop: int) -> Tensor:
        self.computed = dict(clips=1)
        inputs = dict(segment(start, stop, self.fps), video_reader=self)
        data = pseudo_collate([self._pipeline.whole(inputs)])
        return self.model.test_step(data)[0].pred_score.cpu()

    def _path(self, path: str, clips: List[List[int]]) -> Tensor:
        """Features ``(crops * clips, p)`` of a path."""
        images = [self._images_of(path, clip) for clip in clips]
        if not self.model.backbone.sees_images_alone(path):
            features = self._compute(path, images)
        else:
            known = self._features.setdefault(path, {})
            new = [
                image for image in dict.fromkeys(sum(images, []))
                if image not in known
            ]
            self.computed[path] = 0
            if new:
                found = self._compute(path, [[image] for image in new])
                known.update(zip(new, found.squeeze(2).unbind(1)))
            features = torch.stack([
                torch.stack([known[image] for image in clip], 1)
                for clip in images
            ], 1)
        return features.mean(2).flatten(0, 1)

    def _images_of(self, path: str, clip: List[int]) -> List[Image]:
        """The images that a path reads of a clip."""
        preprocessor = self.model.data_preprocessor
        if path == 'spatial':
            keep = spatial_indices(len(clip), preprocessor.num_spatial_frames)
            return [(clip[i], ) for i in keep]
        number = num_framesets(len(clip), preprocessor.grid)
        return [tuple(i) for i in np.reshape(clip, (number, -1)).tolist()]

    def _compute(self, path: str, groups: List[List[Image]]) -> Tensor:
        """Features ``(crops, groups, T, p)`` of T images in each group."""
        self.computed[path] = sum(map(len, groups))
        pixels = torch.stack([
            torch.stack([self._pixels(path, image) for image in group], 1)
            for group in groups
        ], 1)
        inputs = self.model.data_preprocessor(
            dict(inputs={path: [pixels]}, data_samples=None))['inputs'][path]
        features = self.model.backbone.image_features(path,
                                                      inputs[0].flatten(0, 1))
        return features.unflatten(0, pixels.shape[:2])

    def _pixels(self, path: str, image: Image) -> Tensor:
        """``(crops, 3, H, W)`` uint8."""
        frames = [self._frames[number] for number in image]
        if path == 'spatial':
            return frames[0].images
        preprocessor = self.model.data_preprocessor
        for frame in frames:
            if frame.small is None:
                frame.small = shrink_frames(frame.images, preprocessor.grid,
                                            preprocessor.frameset_size)
        small = torch.stack([frame.small for frame in frames], 1)
        return lay_out(small, preprocessor.grid).squeeze(1)
