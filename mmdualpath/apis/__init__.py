"""Predictions from Python."""
