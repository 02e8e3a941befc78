"""Published networks in plain torch, written from their names and papers.

Each takes tensors by their published names, so that it shares nothing with
the code under test.
"""
import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


class _ClipBlock(nn.Module):

    def __init__(self, dims: int, heads: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(dims, heads, batch_first=True)
        self.ln_1 = nn.LayerNorm(dims)
        self.mlp = nn.ModuleDict(
            dict(
                c_fc=nn.Linear(dims, 2 * dims),
                c_proj=nn.Linear(2 * dims, dims)))
        self.ln_2 = nn.LayerNorm(dims)

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp['c_proj'](
            quick_gelu(self.mlp['c_fc'](self.ln_2(x))))


class _ClipTransformer(nn.Module):

    def __init__(self, dims: int, heads: int, layers: int) -> None:
        super().__init__()
        self.resblocks = nn.Sequential(*(_ClipBlock(dims, heads)
                                         for _ in range(layers)))

    def forward(self, x: Tensor) -> Tensor:
        return self.resblocks(x)


class ClipVisual(nn.Module):
    """OpenAI's visual encoder."""

    def __init__(self, dims: int, heads: int, layers: int, size: int,
                 patch: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, dims, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.randn(dims))
        self.positional_embedding = nn.Parameter(
            torch.randn((size // patch)**2 + 1, dims))
        self.ln_pre = nn.LayerNorm(dims)
        self.transformer = _ClipTransformer(dims, heads, layers)
        self.ln_post = nn.LayerNorm(dims)
        self.proj = nn.Parameter(torch.randn(dims, out) * dims**-0.5)

    def tokens(self, x: Tensor) -> Tensor:
        x = self.conv1(x).flatten(2).transpose(1, 2)
        token = self.class_embedding.expand(x.shape[0], 1, -1)
        x = torch.cat((token, x), 1) + self.positional_embedding
        return self.transformer(self.ln_pre(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.ln_post(self.tokens(x)[:, 0]) @ self.proj


class Clip(nn.Module):
    """With a text tower and the three sizes of OpenAI's archives."""

    def __init__(self, dims: int, **kwargs) -> None:
        super().__init__()
        self.visual = ClipVisual(dims, **kwargs)
        self.transformer = _ClipTransformer(16, 2, 1)
        self.token_embedding = nn.Embedding(20, 16)
        self.positional_embedding = nn.Parameter(torch.randn(8, 16))
        self.ln_final = nn.LayerNorm(16)
        self.text_projection = nn.Parameter(torch.randn(16, kwargs['out']))
        self.logit_scale = nn.Parameter(torch.ones([]))
        for name in ('input_resolution', 'context_length', 'vocab_size'):
            self.register_buffer(name, torch.tensor(8))

    def forward(self, image: Tensor) -> Tensor:
        return self.visual(image)


def randomise(module: nn.Module) -> nn.Module:
    """Biases and norms, which constructors set to 0 and 1, count too."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() < 2:
                parameter.add_(0.3 * torch.randn_like(parameter))
    module.eval()  # which returns nothing in mmpretrain's networks
    return module


def norm(x: Tensor, s: dict, name: str, eps: float) -> Tensor:
    weight = s[f'{name}.weight']
    return F.layer_norm(x, weight.shape, weight, s[f'{name}.bias'], eps)


def linear(x: Tensor, s: dict, name: str) -> Tensor:
    return F.linear(x, s[f'{name}.weight'], s.get(f'{name}.bias'))


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int, bias=0.) -> Tensor:
    """``(B, N, C)`` each; the bias is added to ``(heads, N, N)`` logits."""
    q, k, v = (t.unflatten(-1, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    logits = q @ k.transpose(-1, -2) * q.shape[-1]**-0.5 + bias
    return (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)


def videomae(s: dict,
             clips: Tensor,
             heads: int,
             depth: int,
             prefix: str = '') -> Tensor:
    """VideoMAE's encoder before any norm: ``(B, 3, T, H, W) -> (B, N, C)``."""
    weight = s[f'{prefix}patch_embed.proj.weight']
    x = F.conv3d(clips, weight, s[f'{prefix}patch_embed.proj.bias'],
                 weight.shape[2:]).flatten(2).transpose(1, 2)
    count, dims = x.shape[1:]
    channel = torch.arange(dims)
    angle = torch.arange(count).double()[:, None] / 1e4**(
        2 * (channel // 2).double() / dims)
    x = x + torch.where(channel % 2 == 0, angle.sin(), angle.cos()).float()
    for i in range(depth):
        block = f'{prefix}blocks.{i}.'
        bias = torch.cat((s[block + 'attn.q_bias'], torch.zeros(dims),
                          s[block + 'attn.v_bias']))
        q, k, v = F.linear(
            norm(x, s, block + 'norm1', 1e-6), s[block + 'attn.qkv.weight'],
            bias).chunk(3, -1)
        x = x + linear(attention(q, k, v, heads), s, block + 'attn.proj')
        y = linear(norm(x, s, block + 'norm2', 1e-6), s, block + 'mlp.fc1')
        x = x + linear(F.gelu(y), s, block + 'mlp.fc2')
    return x


def swin(s: dict,
         images: Tensor,
         depths: tuple,
         heads: tuple,
         window: tuple,
         patt: tuple = ()) -> Tensor:
    """Swin and Video Swin: every token against every token, then masked.

    ``(B, 3, [T,] H, W) -> (B, [T,] h, w, C)``. ``patt`` names the two layers
    that V-PETL has in an attention, beside AdaptFormer's adapter of the MLP.
    """
    weight = s['patch_embed.proj.weight']
    conv = F.conv3d if weight.dim() == 5 else F.conv2d
    x = conv(images, weight, s['patch_embed.proj.bias'], weight.shape[2:])
    x = norm(x.movedim(1, -1), s, 'patch_embed.norm', 1e-5)
    for i, depth in enumerate(depths):
        for j in range(depth):
            x = _swin_block(
                x,
                s,
                f'layers.{i}.blocks.{j}.',
                heads[i],
                window,
                shifted=j % 2 == 1,
                patt=patt)
        if i < len(depths) - 1:
            x = torch.cat([
                x[..., row::2, column::2, :]
                for column, row in itertools.product((0, 1), (0, 1))
            ], -1)
            x = norm(x, s, f'layers.{i}.downsample.norm', 1e-5)
            x = linear(x, s, f'layers.{i}.downsample.reduction')
    return norm(x, s, 'norm', 1e-5)


def _swin_block(x: Tensor,
                s: dict,
                block: str,
                heads: int,
                window: tuple,
                shifted: bool,
                patt: tuple = ()) -> Tensor:
    sizes = x.shape[1:-1]
    table = s[block + 'attn.relative_position_bias_table'].T.unflatten(
        1, [2 * w - 1 for w in window])
    place = torch.cartesian_prod(*(torch.arange(n) for n in sizes))  # N, axes
    same = torch.ones(len(place), len(place), dtype=torch.bool)
    index = [slice(None)]
    for axis, (size, extent) in enumerate(zip(sizes, window)):
        used = min(size, extent)
        shift = extent // 2 if shifted and size > extent else 0
        rolled = (place[:, axis] - shift) % size
        for label in (rolled // used, rolled >= size - shift):
            same &= label[:, None] == label
        offset = rolled[:, None] - rolled + extent - 1
        index.append(offset.clamp(0, 2 * extent - 2))
    bias = table[tuple(index)].masked_fill(~same, -torch.inf)
    tokens = x.flatten(1, -2)
    y = norm(tokens, s, block + 'norm1', 1e-5)
    q, k, v = linear(y, s, block + 'attn.qkv').chunk(3, -1)
    if patt:
        down, up = (f'{block}attn.{layer}' for layer in patt)
        added = 0.8 * linear(linear(y, s, down).tanh(), s, up)
        k, v = (t + a for t, a in zip((k, v), added.chunk(2, -1)))
    tokens = tokens + linear(
        attention(q, k, v, heads, bias), s, block + 'attn.proj')
    z = norm(tokens, s, block + 'norm2', 1e-5)
    y = linear(z, s, block + 'mlp.fc1')
    tokens = tokens + linear(F.gelu(y), s, block + 'mlp.fc2')
    if patt:
        y = linear(z, s, block + 'adaptmlp.down_proj').relu()
        tokens = tokens + 0.1 * linear(y, s, block + 'adaptmlp.up_proj')
    return tokens.unflatten(1, sizes)
