"""Models that leave the training framework: export, and a runner.

``export`` needs all that training needs, ``runner`` numpy, PyAV and a runtime,
so that this file imports neither.
"""
