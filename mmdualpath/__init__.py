"""mmdualpath: adapt frozen image transformers to video, in MMAction2.

Importing the package registers all its models, transforms and hooks into
MMAction2's registries, so that one line of a config is enough::

    custom_imports = dict(imports=['mmdualpath'], allow_failed_imports=False)

Where MMEngine is not installed there is nothing to register into, and
``mmdualpath.deploy.runner``, which needs none of OpenMMLab's packages, is what
there is.
"""
from importlib.util import find_spec

from .version import __version__

__all__ = ['__version__']

if find_spec('mmengine') is not None:
    if find_spec('mmcv') is None:
        raise ImportError(
            'mmdualpath needs mmcv>=2.0,<2.2. Install either '
            '"mmcv-lite>=2.0,<2.2" (enough for this package) or the full '
            '"mmcv", never both: they own the same folder.')

    from . import compat

    compat.apply()

    from . import datasets, engine, models

    __all__ += ['compat', 'datasets', 'engine', 'models']
