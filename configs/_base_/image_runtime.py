# The runtime of mmpretrain's models.
_base_ = ['default_runtime.py']

default_scope = 'mmpretrain'
visualizer = dict(type='UniversalVisualizer')
