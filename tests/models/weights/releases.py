"""The authors' trained networks in plain torch, over their own names.

Written from reading what they publish. Each takes tensors by their published
names, so that it shares nothing with the code under test; ``*_shapes`` are
the names and shapes that a file has.
"""
import itertools

import torch
import torch.nn.functional as F
from references import attention, linear, norm, quick_gelu, swin
from torch import Tensor, nn


def draw(shapes: dict, seed: int = 0) -> dict:
    """Random tensors: weights of unit gain, norms near one."""
    torch.manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith('num_batches_tracked'):
            tensors[name] = torch.tensor(7)
        elif name.endswith('running_var'):
            tensors[name] = torch.rand(shape) + 0.5
        elif len(shape) < 2:
            scale = 'norm' in name.split('.')[-2] and name.endswith('weight')
            tensors[name] = float(scale) + 0.3 * torch.randn(shape)
        else:
            fan = torch.Size(shape[1:]).numel()
            tensors[name] = torch.randn(shape) * fan**-0.5
    return tensors


def _layer(name: str, *shape: int) -> dict:
    return {f'{name}.weight': shape, f'{name}.bias': shape[:1]}


def _norm(name: str, dims: int) -> dict:
    return {f'{name}.weight': (dims, ), f'{name}.bias': (dims, )}


def _batch_norm(name: str, dims: int) -> dict:
    return {
        f'{name}.running_mean': (dims, ),
        f'{name}.running_var': (dims, ),
        f'{name}.num_batches_tracked': ()
    }


def batch_norm(x: Tensor, s: dict, name: str, eps: float) -> Tensor:
    return (x - s[f'{name}.running_mean']) / (s[f'{name}.running_var'] +
                                              eps).sqrt()


# ---- ST-Adapter: what trains, beside OpenAI's encoder ---------------------


def st_adapter_shapes(dims: int, width: int, layers: int, classes: int,
                      places: tuple) -> dict:
    shapes = {}
    for i, place in itertools.product(range(layers), places):
        name = f'transformer.resblocks.{i}.adapter_pre_{place}.'
        shapes |= _layer(name + 'fc1', width, dims)
        shapes |= _layer(name + 'conv', width, 1, 3, 1, 1)
        shapes |= _layer(name + 'fc2', dims, width)
    return shapes | _layer('fc', classes, dims)


def st_adapter(s: dict, clip: nn.Module, clips: Tensor) -> Tensor:
    """``(B, 3, T, H, W)`` to class scores."""
    frames = clips.shape[2]

    def adapt(x: Tensor, name: str) -> Tensor:
        if f'{name}.fc1.weight' not in s:
            return x
        y = linear(x[:, 1:], s, f'{name}.fc1').unflatten(0, (-1, frames))
        side = round(y.shape[2]**0.5)
        y = y.unflatten(2, (side, side)).permute(0, 4, 1, 2, 3)
        y = F.conv3d(
            y,
            s[f'{name}.conv.weight'],
            s[f'{name}.conv.bias'],
            padding=(1, 0, 0),
            groups=y.shape[1])
        y = y.permute(0, 2, 3, 4, 1).flatten(2, 3).flatten(0, 1)
        return x + F.pad(linear(y, s, f'{name}.fc2'), (0, 0, 1, 0))

    visual = clip.visual
    x = visual.conv1(clips.transpose(1, 2).flatten(0, 1))
    x = x.flatten(2).transpose(1, 2)
    token = visual.class_embedding.expand(len(x), 1, -1)
    x = torch.cat((token, x), 1) + visual.positional_embedding
    x = visual.ln_pre(x)
    for i, block in enumerate(visual.transformer.resblocks):
        name = f'transformer.resblocks.{i}.adapter_pre_'
        x = adapt(x, name + 'attn')
        y = block.ln_1(x)
        x = x + block.attn(y, y, y, need_weights=False)[0]
        x = adapt(x, name + 'mlp')
        y = quick_gelu(block.mlp['c_fc'](block.ln_2(x)))
        x = x + block.mlp['c_proj'](y)
    x = visual.ln_post(x[:, 0].unflatten(0, (-1, frames)).mean(1))
    return linear(x, s, 'fc')


# ---- AIM and ZeroI2V: CLIP's ViT with adapters, all tensors ----------------


def _clip_shapes(dims: int, layers: int, classes: int, tokens: int, patch: int,
                 frames: int, adapters: tuple) -> dict:
    shapes = {
        'backbone.class_embedding': (dims, ),
        'backbone.positional_embedding': (tokens, dims),
        'backbone.temporal_embedding': (1, frames, dims),
        'backbone.conv1.weight': (dims, 3, patch, patch)
    }
    for name in ('ln_pre', 'ln_post'):
        shapes |= _norm(f'backbone.{name}', dims)
    for i in range(layers):
        block = f'backbone.transformer.resblocks.{i}.'
        shapes |= {
            f'{block}attn.in_proj_weight': (3 * dims, dims),
            f'{block}attn.in_proj_bias': (3 * dims, )
        }
        shapes |= _layer(block + 'attn.out_proj', dims, dims)
        for name in ('ln_1', 'ln_2'):
            shapes |= _norm(block + name, dims)
        shapes |= _layer(block + 'mlp.c_fc', 2 * dims, dims)
        shapes |= _layer(block + 'mlp.c_proj', dims, 2 * dims)
        for name in adapters:
            shapes |= _layer(f'{block}{name}.D_fc1', dims // 4, dims)
            shapes |= _layer(f'{block}{name}.D_fc2', dims, dims // 4)
    return shapes | _layer('cls_head.fc_cls', classes, dims)


def aim_shapes(two: bool, **sizes) -> dict:
    names = ('MLP_Adapter', 'S_Adapter', 'T_Adapter')
    return _clip_shapes(
        adapters=(*names, 'T_Adapter_in') if two else names, **sizes)


def zeroi2v_shapes(**sizes) -> dict:
    names = ('MLP_Adapter', 'MLP_Adapter_out', 'S_Adapter', 'T_Adapter_in')
    return _clip_shapes(adapters=names, **sizes)


def _qkv(x: Tensor, s: dict, name: str) -> tuple:
    """Queries, keys and values ``(B, N, C)`` of tokens."""
    weight, bias = (s[f'{name}attn.in_proj_{p}'] for p in ('weight', 'bias'))
    return F.linear(x, weight, bias).chunk(3, -1)


def _of_clip(s: dict, clips: Tensor, block) -> Tensor:
    """What surrounds the blocks: ``(B, 3, T, H, W)`` to class scores."""
    b, _, t = clips.shape[:3]
    weight = s['backbone.conv1.weight']
    x = F.conv2d(
        clips.transpose(1, 2).flatten(0, 1), weight, stride=weight.shape[-1])
    x = x.flatten(2).transpose(1, 2)
    token = s['backbone.class_embedding'].expand(len(x), 1, -1)
    x = torch.cat((token, x), 1) + s['backbone.positional_embedding']
    time = s['backbone.temporal_embedding'][0]
    x = x.unflatten(0, (b, t)) + time[:, None]
    x = norm(x, s, 'backbone.ln_pre', 1e-5)
    i = 0
    while f'backbone.transformer.resblocks.{i}.ln_1.weight' in s:
        x = block(x, f'backbone.transformer.resblocks.{i}.')
        i += 1
    x = norm(x[:, :, 0], s, 'backbone.ln_post', 1e-5).mean(1)
    return linear(x, s, 'cls_head.fc_cls')


def _clip_mlp(x: Tensor, s: dict, name: str) -> Tensor:
    y = quick_gelu(linear(x, s, f'{name}mlp.c_fc'))
    return linear(y, s, f'{name}mlp.c_proj')


def aim(s: dict, clips: Tensor, heads: int, scale: float) -> Tensor:
    """``(B, 3, T, H, W)`` to class scores."""

    def adapt(x: Tensor, name: str) -> Tensor:
        return linear(
            F.gelu(linear(x, s, f'{name}.D_fc1')), s, f'{name}.D_fc2')

    def attend(x: Tensor, name: str) -> Tensor:
        y = attention(*_qkv(x, s, name), heads)
        return linear(y, s, f'{name}attn.out_proj')

    def block(x: Tensor, name: str) -> Tensor:  # B, T, N, C
        y = norm(x, s, f'{name}ln_1', 1e-5).transpose(1, 2)
        y = y.flatten(0, 1)  # every position is a sequence of T tokens
        if f'{name}T_Adapter_in.D_fc1.weight' in s:
            y = y + adapt(y, f'{name}T_Adapter_in')
        y = adapt(attend(y, name), f'{name}T_Adapter')
        x = x + y.unflatten(0, (len(x), -1)).transpose(1, 2)
        y = attend(norm(x, s, f'{name}ln_1', 1e-5).flatten(0, 1), name)
        y = y + adapt(y, f'{name}S_Adapter')
        x = x + y.view_as(x)
        y = norm(x, s, f'{name}ln_2', 1e-5)
        return x + _clip_mlp(y, s,
                             name) + scale * adapt(y, f'{name}MLP_Adapter')

    return _of_clip(s, clips, block)


def zeroi2v(s: dict, clips: Tensor, heads: int, scale: float,
            offsets: tuple) -> Tensor:
    """``(B, 3, T, H, W)`` to class scores."""

    def adapt(x: Tensor, name: str) -> Tensor:
        return x + scale * linear(
            linear(x, s, f'{name}.D_fc1'), s, f'{name}.D_fc2')

    def moved(y: Tensor, frames: int) -> Tensor:  # B*T, N, C
        y = y.unflatten(0, (-1, frames)).unflatten(-1, (heads, -1))
        out = y.clone()
        for head, offset in enumerate(offsets):
            for t in range(frames):
                if 0 <= t + offset < frames:
                    out[:, t, :, head] = y[:, t + offset, :, head]
        return out.flatten(-2).flatten(0, 1)

    def block(x: Tensor, name: str) -> Tensor:
        frames = x.shape[1]
        y = adapt(norm(x, s, f'{name}ln_1', 1e-5), f'{name}T_Adapter_in')
        q, k, v = _qkv(y.flatten(0, 1), s, name)
        y = attention(q, moved(k, frames), moved(v, frames), heads)
        y = adapt(linear(y, s, f'{name}attn.out_proj'), f'{name}S_Adapter')
        x = x + y.view_as(x)
        y = adapt(norm(x, s, f'{name}ln_2', 1e-5), f'{name}MLP_Adapter')
        return x + adapt(_clip_mlp(y, s, name), f'{name}MLP_Adapter_out')

    return _of_clip(s, clips, block)


# ---- AdaptFormer ----------------------------------------------------------


def _adaptformer_shapes(dims: int, hidden: int, width: int, layers: int,
                        classes: int, patch: tuple, image: bool) -> dict:
    shapes = _layer('patch_embed.proj', dims, 3, *patch)
    for i in range(layers):
        block = f'blocks.{i}.'
        shapes |= _norm(block + 'norm1', dims)
        for part in 'qvk':
            name = f'{block}attn.{part}_proj'
            shapes |= _layer(name, dims, dims) if image else {
                f'{name}.weight': (dims, dims)
            }
        if not image:
            shapes |= {f'{block}attn.{p}_bias': (dims, ) for p in 'qv'}
        shapes |= _layer(block + 'attn.proj', dims, dims)
        shapes |= _norm(block + 'norm2', dims)
        shapes |= _layer(block + 'fc1', hidden, dims)
        shapes |= _layer(block + 'fc2', dims, hidden)
        shapes |= _layer(block + 'adaptmlp.down_proj', width, dims)
        shapes |= _layer(block + 'adaptmlp.up_proj', dims, width)
    return shapes | _batch_norm('head.0', dims) | _layer(
        'head.1', classes, dims)


def adaptformer_image_shapes(tokens: int, dims: int, **sizes) -> dict:
    return {
        'cls_token': (1, 1, dims),
        'pos_embed': (1, tokens, dims),
        **_adaptformer_shapes(dims, image=True, **sizes),
        **_norm('norm', dims)
    }


def adaptformer_video_shapes(dims: int, **sizes) -> dict:
    return {
        **_adaptformer_shapes(dims, image=False, **sizes),
        **_norm('fc_norm', dims)
    }


def _adaptformer_blocks(x: Tensor, s: dict, heads: int) -> Tensor:
    for i in itertools.count():
        block = f'blocks.{i}.'
        if f'{block}norm1.weight' not in s:
            return x
        y = norm(x, s, block + 'norm1', 1e-6)
        q, k, v = (linear(y, s, f'{block}attn.{p}_proj') for p in 'qkv')
        if f'{block}attn.q_bias' in s:
            q = q + s[f'{block}attn.q_bias']
            v = v + s[f'{block}attn.v_bias']
        x = x + linear(attention(q, k, v, heads), s, block + 'attn.proj')
        adapted = linear(x, s, block + 'adaptmlp.down_proj').relu()
        adapted = 0.1 * linear(adapted, s, block + 'adaptmlp.up_proj')
        y = F.gelu(linear(norm(x, s, block + 'norm2', 1e-6), s, block + 'fc1'))
        x = x + linear(y, s, block + 'fc2') + adapted


def adaptformer_image(s: dict, images: Tensor, heads: int) -> Tensor:
    weight = s['patch_embed.proj.weight']
    x = F.conv2d(images, weight, s['patch_embed.proj.bias'], weight.shape[2:])
    x = x.flatten(2).transpose(1, 2)
    x = torch.cat((s['cls_token'].expand(len(x), 1, -1), x), 1)
    x = _adaptformer_blocks(x + s['pos_embed'], s, heads)
    x = norm(x, s, 'norm', 1e-6)[:, 0]
    return linear(batch_norm(x, s, 'head.0', 1e-6), s, 'head.1')


def adaptformer_video(s: dict, clips: Tensor, heads: int) -> Tensor:
    weight = s['patch_embed.proj.weight']
    x = F.conv3d(clips, weight, s['patch_embed.proj.bias'], weight.shape[2:])
    x = x.flatten(2).transpose(1, 2)
    channel = torch.arange(x.shape[2])
    angle = torch.arange(x.shape[1]).double()[:, None] / 1e4**(
        2 * (channel // 2).double() / x.shape[2])
    x = x + torch.where(channel % 2 == 0, angle.sin(), angle.cos()).float()
    x = norm(_adaptformer_blocks(x, s, heads).mean(1), s, 'fc_norm', 1e-6)
    return linear(batch_norm(x, s, 'head.0', 1e-6), s, 'head.1')


# ---- V-PETL ---------------------------------------------------------------


def vpetl_shapes(dims: int, depths: tuple, heads: tuple, window: tuple,
                 patch: tuple, classes: int, width: int, bottle: int,
                 patt: tuple) -> dict:
    shapes = _layer('patch_embed.proj', dims, 3, *patch)
    shapes |= _norm('patch_embed.norm', dims)
    size = torch.Size(window).numel()
    table = torch.Size(2 * w - 1 for w in window).numel()
    for i, depth in enumerate(depths):
        for j in range(depth):
            block = f'layers.{i}.blocks.{j}.'
            shapes |= _norm(block + 'norm1', dims)
            shapes[block + 'attn.relative_position_bias_table'] = (table,
                                                                   heads[i])
            shapes[block + 'attn.relative_position_index'] = (size, size)
            shapes |= _layer(block + 'attn.qkv', 3 * dims, dims)
            shapes |= _layer(block + 'attn.proj', dims, dims)
            shapes |= _layer(f'{block}attn.{patt[0]}', bottle, dims)
            shapes |= _layer(f'{block}attn.{patt[1]}', 2 * dims, bottle)
            shapes |= _norm(block + 'norm2', dims)
            shapes |= _layer(block + 'mlp.fc1', 4 * dims, dims)
            shapes |= _layer(block + 'mlp.fc2', dims, 4 * dims)
            shapes |= _layer(block + 'adaptmlp.down_proj', width, dims)
            shapes |= _layer(block + 'adaptmlp.up_proj', dims, width)
        if i < len(depths) - 1:
            merge = f'layers.{i}.downsample.'
            shapes[merge + 'reduction.weight'] = (2 * dims, 4 * dims)
            shapes |= _norm(merge + 'norm', 4 * dims)
            dims *= 2
    return shapes | _norm('norm', dims) | _layer('head', classes, dims)


def relative_position_index(window: tuple) -> Tensor:
    """Which row of the table is that of two tokens of a window."""
    place = torch.cartesian_prod(*(torch.arange(w) for w in window))
    index = torch.zeros(len(place), len(place), dtype=torch.long)
    for axis, extent in enumerate(window):
        offset = place[:, None, axis] - place[None, :, axis] + extent - 1
        index = index * (2 * extent - 1) + offset
    return index


def vpetl(s: dict, clips: Tensor, **sizes) -> Tensor:
    """Class scores: pairs of frames are averaged, then the pairs."""
    frames = swin(s, clips, **sizes).mean((2, 3))
    pairs = [(frames[:, t] + frames[:, t + 1]) / 2
             for t in range(frames.shape[1] - 1)]
    return linear(sum(pairs) / len(pairs), s, 'head')


# ---- DualFormer -----------------------------------------------------------

FINE, COARSE, WINDOW = ((8, 7, 7), (8, 7, 7), (8, 7, 7), (16, 7, 7)), \
    (4, 4, 4), (8, 7, 7)


def _resolutions(clip: tuple) -> list:
    time, height, width = clip
    return [(time // 2, height // n, width // n) for n in (4, 8, 16, 32)]


def dualformer_shapes(dims: int,
                      depths: tuple,
                      classes: int,
                      clip: tuple = (32, 224, 224)) -> dict:
    shapes, channels = {}, 3
    for i, (depth, size) in enumerate(zip(depths, _resolutions(clip))):
        wide = dims * 2**i
        patch = (2, 4, 4) if i == 0 else (1, 2, 2)
        shapes |= _layer(f'patch_embeds.{i}.proj', wide, channels, *patch)
        shapes |= _norm(f'patch_embeds.{i}.norm', wide)
        shapes |= _layer(f'pos_block.{i}.proj.0', wide, 1, 3, 3, 3)
        for j in range(depth):
            block = f'blocks.{i}.{j}.'
            if j % 2 == 0:
                shapes |= _layer(block + 'attn.qkv', 3 * wide, wide)
            else:
                shapes |= _layer(block + 'attn.q', wide, wide)
                shapes |= _layer(block + 'attn.kv', 2 * wide, wide)
                kernel = [s // f for s, f in zip(size, FINE[i])]
                if kernel != [1, 1, 1]:
                    shapes |= _layer(block + 'attn.sr', wide, 1, *kernel)
                    shapes |= _norm(block + 'attn.norm', wide)
                if i < 2:
                    rest = [
                        s // c // k for s, c, k in zip(size, COARSE, (1, 7, 7))
                    ]
                    lr = block + 'attn.lr.'
                    shapes |= _layer(lr + '0', wide, 1, 1, 7, 7)
                    shapes |= _norm(lr + '1', wide)
                    shapes |= _batch_norm(lr + '1', wide)
                    shapes |= _layer(lr + '3', wide, 1, *rest)
            shapes |= _layer(block + 'attn.proj', wide, wide)
            shapes |= _norm(block + 'norm1', wide) | _norm(
                block + 'norm2', wide)
            shapes |= _layer(block + 'mlp.fc1', 4 * wide, wide)
            shapes |= _layer(block + 'mlp.fc2', wide, 4 * wide)
        channels = wide
    shapes = {
        f'backbone.{n}': v
        for n, v in (shapes | _norm('norm', wide)).items()
    }
    return shapes | _layer('cls_head.fc_cls', classes, wide)


def _convolve(maps: Tensor, s: dict, name: str) -> Tensor:
    """Depth-wise, the kernel being the stride."""
    weight = s[f'{name}.weight']
    return F.conv3d(
        maps,
        weight,
        s[f'{name}.bias'],
        stride=weight.shape[2:],
        groups=maps.shape[1])


def _local(x: Tensor, s: dict, name: str, heads: int) -> Tensor:
    """One window after the other: ``(B, D, H, W, C) -> same``."""
    out = torch.empty_like(x)
    for corner in itertools.product(*(range(0, n, w)
                                      for n, w in zip(x.shape[1:], WINDOW))):
        window = tuple(slice(c, c + w) for c, w in zip(corner, WINDOW))
        part = x[(slice(None), *window)]
        q, k, v = linear(part.flatten(1, 3), s, f'{name}.qkv').chunk(3, -1)
        y = attention(q, k, v, heads)
        out[(slice(None), *window)] = y.unflatten(1, part.shape[1:4])
    return linear(out, s, f'{name}.proj')


def _global(x: Tensor, s: dict, name: str, heads: int) -> Tensor:
    maps = x.movedim(-1, 1)
    priors = x.flatten(1, 3)
    if f'{name}.sr.weight' in s:
        levels = [_convolve(maps, s, f'{name}.sr')]
        if f'{name}.lr.0.weight' in s:
            y = _convolve(maps, s, f'{name}.lr.0').movedim(1, -1)
            y = batch_norm(y, s, f'{name}.lr.1', 1e-5)
            y = y * s[f'{name}.lr.1.weight'] + s[f'{name}.lr.1.bias']
            levels.append(
                _convolve(y.relu().movedim(-1, 1), s, f'{name}.lr.3'))
        priors = torch.cat([v.flatten(2).mT for v in levels], 1)
        priors = norm(priors, s, f'{name}.norm', 1e-5)
    k, v = linear(priors, s, f'{name}.kv').chunk(2, -1)
    y = attention(linear(x.flatten(1, 3), s, f'{name}.q'), k, v, heads)
    return linear(y.unflatten(1, x.shape[1:4]), s, f'{name}.proj')


def dualformer(s: dict, clips: Tensor, heads: int) -> Tensor:
    """Class scores; ``heads`` are those of the first stage."""
    head = {n: t for n, t in s.items() if n.startswith('cls_head')}
    s = {n.removeprefix('backbone.'): t for n, t in s.items()}
    maps = clips
    for i in range(4):
        weight = s[f'patch_embeds.{i}.proj.weight']
        maps = F.conv3d(maps, weight, s[f'patch_embeds.{i}.proj.bias'],
                        weight.shape[2:])
        x = norm(maps.movedim(1, -1), s, f'patch_embeds.{i}.norm', 1e-5)
        for j in itertools.count():
            block = f'blocks.{i}.{j}.'
            if f'{block}norm1.weight' not in s:
                break
            attend = _global if j % 2 else _local
            x = x + attend(
                norm(x, s, block + 'norm1', 1e-5), s, block + 'attn',
                heads * 2**i)
            y = linear(norm(x, s, block + 'norm2', 1e-5), s, block + 'mlp.fc1')
            x = x + linear(F.gelu(y), s, block + 'mlp.fc2')
            if j == 0:
                maps = x.movedim(-1, 1)
                maps = maps + F.conv3d(
                    maps,
                    s[f'pos_block.{i}.proj.0.weight'],
                    s[f'pos_block.{i}.proj.0.bias'],
                    padding=1,
                    groups=maps.shape[1])
                x = maps.movedim(1, -1)
        maps = x.movedim(-1, 1)
    return linear(
        norm(x, s, 'norm', 1e-5).mean((1, 2, 3)), head, 'cls_head.fc_cls')
