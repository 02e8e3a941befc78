"""What upstream breaks works with the package imported."""
import os
import pickle
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.optim import AmpOptimWrapper

from mmdualpath import compat


def test_stock_registry_imports_without_the_missing_module():
    from mmaction.models.localizers import DRN
    if not hasattr(DRN, 'forward'):
        with pytest.raises(ImportError, match='install mmaction2 from source'):
            DRN()


def test_a_message_hub_survives_weights_only(tmp_path):
    """What MMEngine's own checkpoints hold besides tensors."""
    buffer = HistoryBuffer([1.5, 2.5, 4.], [1, 1, 2])
    hub = MessageHub.get_instance('test_compat')
    hub.update_scalar('train/loss', np.float64(0.25))
    hub.update_info('iter', 7)
    path = tmp_path / 'checkpoint.pth'
    torch.save(
        dict(
            buffer=buffer,
            hub=hub.state_dict(),
            arrays=[np.arange(3),
                    np.float32(1),
                    np.array([True])]), path)
    got = torch.load(path, weights_only=True)
    assert got['buffer'].mean() == buffer.mean() == 2.
    assert got['buffer'].statistics('max') == 4.
    assert got['hub']['runtime_info']['iter'] == 7
    assert got['arrays'][0].tolist() == [0, 1, 2]


class Hostile:

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), 'w')


class Attribute:
    """Asks for an attribute that is not one of HistoryBuffer's four."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


@pytest.mark.parametrize('make', [Hostile, lambda _: Attribute()])
def test_hostile_pickles_do_not_run(tmp_path, make):
    target = tmp_path / 'written'
    path = tmp_path / 'hostile.pth'
    torch.save(dict(state_dict=make(target)), path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)
    assert not target.exists()


@pytest.mark.parametrize('factor', [-0.1, 0., 0.07, 0.5])
def test_hue_turns_the_hue(factor):
    from mmaction.datasets.transforms import ColorJitter
    image = np.random.default_rng(0).integers(60, 200, (8, 8, 3), np.uint8)
    got = ColorJitter.adjust_hue(image.astype(np.float32), factor)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hue = [[(int(h) + int(factor * 255)) % 180 for h in row]
           for row in hsv[..., 0]]
    hsv[..., 0] = hue
    expected = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    assert np.array_equal(got, expected.astype(np.float32))


@pytest.mark.skipif(torch.cuda.is_available(), reason='for CPU')
def test_amp_trains_on_cpu():
    model = torch.nn.Linear(4, 2)
    wrapper = AmpOptimWrapper(
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        loss_scale='dynamic')
    before = model.weight.detach().clone()
    with wrapper.optim_context(model):
        out = model(torch.rand(3, 4))
    assert out.dtype == torch.bfloat16
    wrapper.update_params(out.float().sum())
    assert not torch.equal(before, model.weight)


def test_attention_is_counted():
    from mmengine.analysis import get_model_complexity_info

    class Attention(torch.nn.Module):

        def forward(self, x):
            return torch.nn.functional.scaled_dot_product_attention(x, x, x)

    info = get_model_complexity_info(
        Attention(), inputs=(torch.rand(2, 3, 10, 8), ), show_table=False)
    assert info['flops'] == 2 * 3 * (10 * 10 * 8) * 2


def test_drop_probabilities_become_floats():
    module = torch.nn.Dropout(0.5)
    module.drop_prob = np.float64(0.25)
    compat.float_drop_probs(module)
    assert type(module.drop_prob) is float and module.drop_prob == 0.25


def test_import_says_what_to_install_without_mmcv(tmp_path):
    code = ('import importlib.util as u; find = u.find_spec\n'
            'u.find_spec = lambda n, *a: None if n == "mmcv" else find(n, *a)'
            '\nimport mmdualpath')
    result = subprocess.run([sys.executable, '-c', code],
                            capture_output=True,
                            text=True)
    assert result.returncode == 1
    assert 'mmcv-lite' in result.stderr.splitlines()[-1]


def test_decord_survives_avi_files_that_end_early(tmp_path):
    """Frames or an error; given as bytes, most of these crash the process."""
    import videos
    from mmaction.registry import TRANSFORMS
    source = videos.write(tmp_path / 'whole.avi', count=64, codec='mpeg4')
    init = TRANSFORMS.build(dict(type='DecordInit'))
    decode = TRANSFORMS.build(dict(type='DecordDecode'))
    read = 0
    for share in (0.2, 0.5, 0.8, 0.95):
        path = videos.cut(tmp_path / 'cut.avi', share, source)
        try:
            results = init(dict(filename=str(path)))
        except RuntimeError as error:
            assert 'cut.avi' in str(error)
            continue
        results['frame_inds'] = np.arange(results['total_frames'])
        assert decode(results)['imgs'][0].shape == (32, 64, 3)
        read += 1
    assert read


def test_decord_reads_the_same_by_path(tmp_path):
    """The frames of a whole video do not depend on how it is given."""
    import io

    import decord
    import videos
    from mmaction.registry import TRANSFORMS
    path = videos.write(tmp_path / 'whole.mp4')
    expected = decord.VideoReader(io.BytesIO(path.read_bytes()))
    got = TRANSFORMS.build(dict(type='DecordInit'))(
        dict(filename=str(path)))['video_reader']
    frames = range(16)
    assert np.array_equal(
        got.get_batch(frames).asnumpy(),
        expected.get_batch(frames).asnumpy())


@pytest.mark.parametrize('autocast', [False, True])
@pytest.mark.parametrize('layout', ['contiguous', 'channels last'])
@pytest.mark.parametrize('groups', [1, 24])
def test_conv3d_learns_in_bfloat16_on_cpu(groups, layout, autocast):
    """Output and gradients against float64, up to bfloat16's rounding."""
    torch.manual_seed(0)
    conv = torch.nn.Conv3d(24, 24, 3, padding=1, groups=groups)
    x, out = torch.randn(2, 2, 24, 2, 16, 16)
    if layout == 'channels last':
        x, out = (
            t.contiguous(memory_format=torch.channels_last_3d)
            for t in (x, out))
    x, exact = x.requires_grad_(), x.detach().double().requires_grad_()
    weight, bias = (
        p.detach().double().requires_grad_() for p in conv.parameters())
    expected = torch.nn.functional.conv3d(
        exact, weight, bias, padding=1, groups=groups)
    expected.backward(out.double())

    if autocast:
        with torch.autocast('cpu', torch.bfloat16):
            y = conv(x)
    else:
        y = conv.bfloat16()(x.bfloat16())
    assert y.dtype == torch.bfloat16
    y.backward(out.bfloat16())
    for got, wanted in ((y, expected), (x.grad, exact.grad),
                        (conv.weight.grad, weight.grad), (conv.bias.grad,
                                                          bias.grad)):
        error = (got.double() - wanted).norm() / wanted.norm()
        assert error < 0.02


def test_processes_leave_their_group_at_the_end(tmp_path):
    """What is registered first runs last."""
    (tmp_path / 'leave.py').write_text('''
import atexit
import torch.distributed as dist
atexit.register(lambda: print(f"in a group: {dist.is_initialized()}"))
import mmdualpath
from mmengine.dist import init_dist
init_dist("pytorch", backend="nccl")
dist.barrier()
print(f"before: {dist.is_initialized()}")
''')
    run = subprocess.run([
        sys.executable, '-m', 'torch.distributed.run', '--standalone',
        '--nproc_per_node=2', tmp_path / 'leave.py'
    ],
                         env=dict(os.environ, CUDA_VISIBLE_DEVICES=''),
                         capture_output=True,
                         text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count('before: True') == 2
    assert run.stdout.count('in a group: False') == 2
