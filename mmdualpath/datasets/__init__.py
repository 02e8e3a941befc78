from .svhn import SVHN  # noqa: F401
from .transforms import *  # noqa: F401, F403
