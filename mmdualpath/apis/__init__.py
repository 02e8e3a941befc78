"""Predictions from Python."""
from .streaming import StreamingRecognizer

__all__ = ['StreamingRecognizer']
