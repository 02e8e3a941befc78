"""Street View House Numbers, read by torchvision, for mmpretrain's models."""
from typing import Any, List

from mmaction.registry import DATASETS
from mmpretrain.datasets import BaseDataset
from torchvision import datasets

from ..options import checked


@DATASETS.register_module()
@checked
class SVHN(BaseDataset):
    """The cropped digits of SVHN, 73 257 to train and 26 032 to test.

    Args:
        data_root: Folder of ``train_32x32.mat`` and ``test_32x32.mat``.
        split: ``train`` or ``test``.
        download: Whether to download a file that is missing.
        kwargs: Further arguments of mmpretrain's ``BaseDataset``, such as
            ``pipeline``.

    Raises:
        ValueError: If there is no such split.
    """

    METAINFO = dict(classes=tuple('0123456789'))

    def __init__(self,
                 data_root: str,
                 split: str = 'train',
                 download: bool = True,
                 **kwargs: Any) -> None:
        if split not in ('train', 'test'):
            raise ValueError(f'split={split!r} is neither train nor test.')
        self.split = split
        self.download = download
        kwargs.setdefault('test_mode', split == 'test')
        super().__init__(ann_file='', data_root=data_root, **kwargs)

    def load_data_list(self) -> List[dict]:
        """One dict with ``img`` (RGB) and ``gt_label`` for each digit."""
        digits = datasets.SVHN(
            self.data_root, split=self.split, download=self.download)
        return [
            dict(img=image.transpose(1, 2, 0), gt_label=int(label))
            for image, label in zip(digits.data, digits.labels)
        ]
