"""Predictions from Python.

Without MMEngine there are :mod:`.videos`, :mod:`.live` and :mod:`.events`,
which need numpy and PyAV alone.
"""
from importlib.util import find_spec

__all__ = []

if find_spec('mmengine') is not None:
    from .streaming import StreamingRecognizer  # noqa: F401
    __all__ += ['StreamingRecognizer']
