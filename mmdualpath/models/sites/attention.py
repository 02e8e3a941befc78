"""How the attention modules of the stack are written.

All of them compute

    softmax(scale * q k^T + bias) v

but each in its own way. A :class:`Layout` says how, so that an adapter can
take q, k, v and bias from a module, change them and compute the attention
itself, and a picture can show its weights.
"""
from dataclasses import dataclass, replace
from typing import Any, Callable, NamedTuple, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Rotate = Callable[[Tensor, Tensor], Tuple[Tensor, Tensor]]


class AttentionInputs(NamedTuple):
    """What attention over N tokens in H heads of D channels is made of.

    Attributes:
        q: Queries ``(B, H, N, D)``.
        k: Keys ``(B, H, M, D)``; those of the N tokens come last.
        v: Values ``(B, H, M, D)``.
        bias: Position bias and shift mask ``(W, H, N, M)``, added to the
            scaled products of queries and keys; the B images are windows, W
            of each image. None where nothing is added.
        rotate: Called with the queries and keys of the N tokens before they
            are multiplied (norms, rotary positions); None does nothing.
    """
    q: Tensor
    k: Tensor
    v: Tensor
    bias: Optional[Tensor] = None
    rotate: Optional[Rotate] = None

    def add(self,
            q: Optional[Tensor] = None,
            k: Optional[Tensor] = None,
            v: Optional[Tensor] = None) -> 'AttentionInputs':
        """The same with something added to the tokens' q, k or v.

        Args:
            q: ``(B or 1, H, N, D)``, or None to add nothing.
            k: The same for keys; those in front of the tokens' stay as they
                are.
            v: The same for values.
        """
        tokens = self.q.shape[2]

        def plus(to: Tensor, part: Optional[Tensor]) -> Tensor:
            if part is None:
                return to
            return to + F.pad(part, (0, 0, to.shape[2] - tokens, 0))

        return AttentionInputs(
            plus(self.q, q), plus(self.k, k), plus(self.v, v), self.bias,
            self.rotate)

    def prepend(self,
                k: Tensor,
                v: Tensor,
                positioned: bool = False) -> 'AttentionInputs':
        """The same with more keys and values in front.

        Args:
            k: Keys ``(B or 1, H, M', D)``; they are not rotated.
            v: Values of the same shape.
            positioned: Whether they are one for each token and have its bias;
                otherwise their bias is zero.
        """
        batch, _, tokens, _ = self.q.shape
        keys = torch.cat((k.expand(batch, -1, -1, -1), self.k), 2)
        values = torch.cat((v.expand(batch, -1, -1, -1), self.v), 2)
        bias = self.bias
        if bias is not None and positioned:
            bias = torch.cat((bias[..., -tokens:], bias), -1)
        elif bias is not None:
            bias = F.pad(bias, (k.shape[2], 0))
        return AttentionInputs(self.q, keys, values, bias, self.rotate)

    def rotated(self) -> 'AttentionInputs':
        """The same with norms and rotary positions applied."""
        if self.rotate is None:
            return self
        front = self.k.shape[2] - self.q.shape[2]
        q, k = self.rotate(self.q, self.k[:, :, front:])
        k = torch.cat((self.k[:, :, :front], k), 2) if front else k
        return AttentionInputs(q, k, self.v, self.bias)

    def weights(self, scale: Optional[float] = None) -> Tensor:
        """softmax(scale * q k^T + bias), ``(B, H, N, M)`` in float32.

        Args:
            scale: Factor of the products; None is ``D**-0.5``.
        """
        q, k, _, bias, _ = self.rotated()
        scale = q.shape[-1]**-0.5 if scale is None else scale
        scores = scale * (q.float() @ k.float().mT)
        if bias is not None:
            scores = scores.unflatten(0, (-1, len(bias))) + bias
            scores = scores.flatten(0, 1)
        return scores.softmax(-1)

    def attend(self,
               scale: Optional[float] = None,
               dropout: float = 0.) -> Tensor:
        """softmax(scale * q k^T + bias) v, heads merged: ``(B, N, H*D)``.

        Fused wherever PyTorch can.
        """
        q, k, v, bias, _ = self.rotated()
        if bias is None:
            y = F.scaled_dot_product_attention(
                q, k, v, dropout_p=dropout, scale=scale)
        else:  # the windows of an image side by side, as more heads
            windows = bias.shape[:2]
            q, k, v = (
                t.unflatten(0, (-1, windows[0])).flatten(1, 2)
                for t in (q, k, v))
            y = F.scaled_dot_product_attention(
                q,
                k,
                v,
                bias.flatten(0, 1)[None].to(q.dtype),
                dropout_p=dropout,
                scale=scale)
            y = y.unflatten(1, windows).flatten(0, 1)
        return y.transpose(1, 2).flatten(2)


@dataclass(frozen=True)
class Layout:
    """How a class of attention modules is written.

    Each function takes the module first; ``*args`` and ``**kwargs`` are what
    the module is called with after the tokens.

    Attributes:
        modules: Names of the classes that are written so.
        when: Whether a module of them is, if its options decide it.
        heads: Number of its heads.
        qkv: Tokens ``(B, N, C)`` to queries, keys, values ``(B, N, 3C)``.
        bias: Position bias and mask ``(1 or W, H, N, N)`` of N tokens, given
            ``(module, N, *args, **kwargs)``, if there is any.
        rotate: What is done to queries and keys ``(B, H, N, D)``, given
            ``(module, *args, **kwargs)``, if anything is.
        scale: Factor of the products; None is ``D**-0.5``.
        dropout: Dropout rate of the attention weights.
        project: Output projection, with all that follows it.
    """
    modules: Sequence[str]
    when: Callable[[nn.Module], bool] = lambda attn: True
    heads: Callable[[nn.Module], int] = lambda attn: attn.num_heads
    qkv: Callable[[nn.Module, Tensor], Tensor] = (lambda attn, x: attn.qkv(x))
    bias: Optional[Callable[..., Optional[Tensor]]] = None
    rotate: Optional[Callable[..., Optional[Rotate]]] = None
    scale: Callable[[nn.Module], Optional[float]] = lambda attn: attn.scale
    dropout: Callable[[nn.Module], float] = lambda attn: attn.attn_drop.p
    project: Callable[[nn.Module, Tensor],
                      Tensor] = (lambda attn, y: attn.proj_drop(attn.proj(y)))

    def knows(self, attn: nn.Module) -> bool:
        """Whether a module is written so."""
        return type(attn).__name__ in self.modules and self.when(attn)

    def inputs(self, attn: nn.Module, x: Tensor, *args: Any,
               **kwargs: Any) -> AttentionInputs:
        """What a module's attention over tokens ``(B, N, C)`` is made of."""
        q, k, v = (
            t.unflatten(-1, (self.heads(attn), -1)).transpose(1, 2)
            for t in self.qkv(attn, x).chunk(3, -1))
        return AttentionInputs(
            q, k, v, self.bias
            and self.bias(attn, x.shape[1], *args, **kwargs), self.rotate
            and self.rotate(attn, *args, **kwargs))

    def but(self, **changes: Any) -> 'Layout':
        """The same with some entries changed."""
        return replace(self, **changes)
