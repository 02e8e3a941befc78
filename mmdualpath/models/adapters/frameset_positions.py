"""Positions of a frameset's tokens in time and space.

Paper: Dual-path Adaptation from Image to Video Transformers, CVPR 2023,
Sec. 4.2 (p_TP). https://arxiv.org/abs/2303.09857
Departures: the paper names fixed 3-D encodings without their formula; here
time, y and x share the channels. The authors' own dump adds a 1-D sinusoid
of the frame number to a trainable embedding: :class:`FrameIndexPositions`.
Neither says how large a code is beside the tokens it is added to, which
decides how soon the order of time is learned: see ``amplitude``.
"""
from typing import Any, Dict, List, Tuple, Union

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmengine import dist
from torch import Tensor, nn

from ...framesets import Size, to_pair
from ...options import checked
from ..positions import sincos, sincos_nd
from ..sites import Site
from .base import FRAMES, TOKENS, Adapter


@checked
class _FixedPositions(Adapter):
    """Adds ``amplitude`` times a fixed code to the tokens of framesets.

    At ``site='stem'`` the patches have one. At ``site='tokens'``, behind the
    backbone's own positions, the class token has one as well, that of number
    0, and frames count from 1 on (h_0 = [x_CLS, X] + p_TP).

    Args:
        base: The module that puts the tokens out.
        site: Where it stands.
        num_framesets: T_G, framesets of a clip; time runs on over them.
        grid: Frames down and across a frameset, (h, w).
        amplitude: Factor of the code. ``'match'`` gives the code the standard
            deviation of the patch tokens it is added to, measured on the
            first framesets the model reads and kept in its checkpoints;
            ``'learn'`` trains the factor from 1 on.

    Raises:
        ValueError: If there are no framesets, or the amplitude is something
            else.
    """
    sites = ('stem', 'tokens')
    needs = (FRAMES, TOKENS)

    def __init__(self,
                 base: nn.Module,
                 site: Site,
                 num_framesets: int = 1,
                 grid: Size = 4,
                 amplitude: Union[float, str] = 1.) -> None:
        super().__init__(base, site)
        if num_framesets < 1:
            raise ValueError(f'num_framesets={num_framesets}: a clip has at '
                             'least one frameset.')
        if isinstance(amplitude, str) and amplitude not in ('match', 'learn'):
            raise ValueError(f"amplitude={amplitude!r} must be a number, "
                             "'match' or 'learn'.")
        self.images_per_clip = num_framesets
        self.grid = to_pair(grid, 'grid')
        self.measured = amplitude != 'match'
        if amplitude == 'match':
            self.register_buffer('amplitude', torch.tensor(torch.nan))
            self.register_load_state_dict_pre_hook(_note_measure)
        elif amplitude == 'learn':
            self.amplitude = nn.Parameter(torch.ones(()))
        else:
            self.amplitude = amplitude
        # A table depends on nothing but the size of the map of patches.
        self._tables: Dict[tuple, Tensor] = {}

    def table(self, height: int, width: int, device: torch.device) -> Tensor:
        """Code ``(T_G, N, C)`` of a map of H x W patches, in front of it that
        of the class token where it has one."""
        has_extra = self.site.name == 'tokens' and self.site.extra_tokens > 0
        time = torch.arange(
            self.images_per_clip * self.grid[0] * self.grid[1], device=device)
        time = time.unflatten(0, (-1, *self.grid)) + int(has_extra)
        axes = self.places(time, height, width)
        if has_extra:
            axes = [F.pad(a, (self.site.extra_tokens, 0)) for a in axes]
        return self.encode(axes).float()

    def places(self, time: Tensor, height: int, width: int) -> List[Tensor]:
        """Where patches are along each axis, ``(T_G, H*W)`` each.

        Args:
            time: Number of each frame ``(T_G, h, w)``.
            height: H, patches down a frameset.
            width: W, patches across it.
        """
        raise NotImplementedError

    def encode(self, places: List[Tensor]) -> Tensor:
        """Code ``(T_G, N, C)`` of tokens at some places."""
        raise NotImplementedError

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """``(B*T_G, ...)`` -> what the module gives, with positions."""
        out = self.base(x, *args, **kwargs)
        if self.site.name == 'tokens':
            return self._add(out, self.site.grid(out.shape[1]))
        tokens, size = self.site.stem.unpack(out)
        return self.site.stem.pack(self._add(tokens, size), out)

    def _add(self, tokens: Tensor, size: Tuple[int, int]) -> Tensor:
        if tokens.shape[0] % self.images_per_clip:
            raise ValueError(
                f'A batch of {len(tokens)} framesets is no multiple of '
                f'num_framesets={self.images_per_clip}, the framesets a clip '
                'has in this model.')
        key = (*size, tokens.device)
        if key not in self._tables:
            with torch.inference_mode(False):  # training reads it as well
                self._tables[key] = self.table(*size, tokens.device)
        table = self._tables[key]
        if not self.measured:
            self._measure(tokens, table)
        codes = (self.amplitude * table).to(tokens.dtype)
        tokens = tokens.unflatten(0, (-1, self.images_per_clip))
        return (tokens + codes).flatten(0, 1)

    @torch.no_grad()
    def _measure(self, tokens: Tensor, table: Tensor) -> None:
        patches = slice(
            self.site.extra_tokens if self.site.name == 'tokens' else 0, None)
        measure = tokens[:, patches].float().std() / table[:, patches].std()
        dist.all_reduce(measure, 'mean')
        self.amplitude.copy_(measure)
        self.measured = True


def _note_measure(module: _FixedPositions, state_dict: dict, prefix: str,
                  *args: Any) -> None:
    if f'{prefix}amplitude' in state_dict:
        value = state_dict[f'{prefix}amplitude']
        module.measured = not bool(value.isnan())


@MODELS.register_module()
@checked
class FramesetPositions(_FixedPositions):
    """Fixed 3-D sine-cosine positions (frame time, y, x), p_TP.

    Every token of a frameset gets one vector: the number of its frame in the
    clip and the place of the patch's centre inside that frame, in patches. A
    frame may be a fraction of a patch wide (56 pixels are 3.5 patches of 16),
    so a patch belongs to the frame its centre lies in.

    Where it stands for the pretrained position embedding, that is switched
    off by ``zero=['pos_embed']`` of the view. Arguments in the paper's
    notation: ``num_framesets`` T_G and ``grid`` (h, w); ``amplitude`` is not
    in the paper.
    """

    def places(self, time: Tensor, height: int, width: int) -> List[Tensor]:
        """Frame, y and x of patches, see the base class."""
        rows, columns = self.grid

        def frame_and_place(patches: int, frames: int):
            centre = torch.arange(patches, device=time.device) + 0.5
            frame = (centre * frames / patches).floor()
            return frame.long(), centre - frame * patches / frames

        row, y = frame_and_place(height, rows)
        column, x = frame_and_place(width, columns)
        axes = torch.broadcast_tensors(time[:, row][:, :, column], y[:, None],
                                       x)
        return [a.flatten(1) for a in axes]

    def encode(self, places: List[Tensor]) -> Tensor:
        """Code ``(T_G, N, C)`` of frame, y and x."""
        return sincos_nd(places, self.site.dims)


@MODELS.register_module()
@checked
class FrameIndexPositions(_FixedPositions):
    """A 1-D sinusoid of the frame number, as in the authors' dump.

    The numbers of the frames, as a map of 4 x 4 for each of them, are
    resized to the map of patches and then encoded: a patch between two frames
    has a number between theirs. Goes with a trained position embedding,
    ``trainable=['cls_token', 'pos_embed']`` of the view, which in the dump
    starts at random: ``fresh=['pos_embed']``. Arguments as
    :class:`FramesetPositions`.
    """

    def places(self, time: Tensor, height: int, width: int) -> List[Tensor]:
        """Frame numbers of patches, see the base class."""
        numbers = time.repeat_interleave(4, 1).repeat_interleave(4, 2)
        numbers = F.interpolate(
            numbers[:, None].double(), (height, width), mode='bilinear')
        return [numbers.flatten(1)]

    def encode(self, places: List[Tensor]) -> Tensor:
        """Code ``(T_G, N, C)`` of frame numbers."""
        return sincos(places[0], self.site.dims, interleaved=True)
