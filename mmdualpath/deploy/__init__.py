"""Models that leave the training framework: export, and a runner.

``export`` needs all that training needs. ``runner`` and ``reader`` need numpy,
PyAV and a runtime, so that this file imports neither.
"""
