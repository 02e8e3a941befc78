"""The one table of where adapters can stand: a row for each backbone class.

A site is a place in a backbone that an adapter wraps. Its name says what the
wrapped module is called with and what it gives back:

================  ==================================  ======================
site              called with                         gives
================  ==================================  ======================
``stem``          images or clips                     patch tokens and the
                                                      size of their map
``tokens``        all tokens with their positions,    same shape
                  in front of the first norm
``block``         the residual stream                 same shape
``attn``          LN z                                same shape, what the
                                                      block adds to z
``mlp``           LN z                                same shape, what the
                                                      block adds to z
``norm_mlp``      z                                   MLP(LN z), what the
                                                      block adds to z
``residual_mlp``  z                                   z + MLP(LN z)
``msa``           one set of tokens that attend to    same shape
                  each other ``(B, N, C)``
``qkv``           as ``msa``                          ``(B, N, 3C)``
``q, k, v``       as ``msa``, where there are three   ``(B, N, C)``
                  layers instead of that one
``proj``          heads of the attention, merged      same shape
``fc1``           LN z                                the MLP's hidden tokens
``fc2``           the MLP's hidden tokens             ``(B, N, C)``
``norm1``         what the attention is to read       same shape
``norm2``         what the MLP is to read             same shape
================  ==================================  ======================

``qkv``, ``q``, ``k``, ``v``, ``proj``, ``fc1`` and ``fc2`` are linear layers,
``norm1`` and ``norm2`` LayerNorms. Tokens are ``(B, N, C)``; a module may be
called with more after them, such as the size of their map, which an adapter
hands on. A row of the table may name more sites. What an adapter is told about
its place is a :class:`Site`.

A backbone of your own is a row more::

    register_sites(MyViT, Sites(blocks='blocks.*', norm='norm1',
                                places=dict(attn='attn', mlp='mlp')))
"""
from . import more, openmmlab, timm, transformers  # noqa: F401
from .attention import AttentionInputs, Layout
from .geometry import Windows
from .rows import (Place, Sites, Spot, blocks_of, final_norm_of, locate,
                   register_sites, resolve, sites_of, taps_of, unwrapped)
from .site import Site, Stem, Stream, Wrapper

__all__ = [
    'AttentionInputs', 'Layout', 'Place', 'Site', 'Sites', 'Spot', 'Stem',
    'Stream', 'Windows', 'Wrapper', 'blocks_of', 'final_norm_of', 'locate',
    'register_sites', 'resolve', 'sites_of', 'taps_of', 'unwrapped'
]
