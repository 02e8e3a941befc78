"""mmdualpath: adapt frozen image transformers to video, in MMAction2.

Importing the package registers all its models, transforms and hooks into
MMAction2's registries, so that one line of a config is enough::

    custom_imports = dict(imports=['mmdualpath'], allow_failed_imports=False)
"""
from importlib.util import find_spec

if find_spec('mmcv') is None:
    raise ImportError('mmdualpath needs mmcv>=2.0,<2.2. Install either '
                      '"mmcv-lite>=2.0,<2.2" (enough for this package) or the '
                      'full "mmcv", never both: they own the same folder.')

from . import compat  # noqa: E402

compat.apply()

from . import datasets, engine, models  # noqa: E402, F401
from .version import __version__  # noqa: E402

__all__ = ['__version__', 'compat', 'datasets', 'engine', 'models']
