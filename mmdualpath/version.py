"""Version of mmdualpath."""
__version__ = '0.1.0'
