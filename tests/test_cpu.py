"""Training without an accelerator, and hosts that have one."""
import os
import subprocess
import sys

import pytest
import torch
from mmengine.device import get_device
from mmengine.dist import utils
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import AmpOptimWrapper
from mmengine.optim.optimizer import amp_optimizer_wrapper as amp

from mmdualpath import compat
from mmdualpath.models.layers import Conv3d

PLACES = ((utils, '_init_dist_pytorch'), (MMDistributedDataParallel,
                                          '__init__'),
          (amp, 'is_cuda_available'), (amp, 'GradScaler'))


@pytest.fixture
def places(monkeypatch) -> list:
    """What MMEngine has where enable_cpu changes it; put back afterwards."""
    for owner, name in PLACES:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    return [getattr(owner, name) for owner, name in PLACES]


@pytest.mark.parametrize('device, changed', [('cpu', True), ('cuda', False),
                                             ('npu', False), ('mlu', False),
                                             ('musa', False), ('mps', False)])
def test_only_a_cpu_is_helped(places, monkeypatch, device, changed):
    monkeypatch.setattr(compat, 'get_device', lambda: device)
    compat.enable_cpu.__wrapped__()
    for before, (owner, name) in zip(places, PLACES):
        assert (getattr(owner, name) is not before) == changed


# What makes MMEngine 0.10.7 take a host for one of these.
HOST = '''
import sys, types, torch
def module(name, **content):
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(content)
    return sys.modules[name]
torch.{host} = module(
    'torch.{host}', is_available=lambda: True, set_device=print,
    set_compile_mode=lambda **kwargs: None,
    BoolTensor=torch.BoolTensor, LongTensor=torch.LongTensor)
module('torch.{host}.amp', GradScaler=object)
__path__, device_count, current_device = [], lambda: 1, lambda: 0
utils = module('torch_{host}.{host}.utils', get_soc_version=lambda: 220)
module('torch_{host}.{host}', utils=utils, __path__=[])
'''


@pytest.mark.parametrize('host, backend', [('npu', 'hccl'), ('mlu', 'cncl'),
                                           ('musa', 'mccl')])
def test_other_accelerators_start_as_they_do(host, backend, tmp_path):
    """The backend that init_dist takes, with the package imported."""
    (tmp_path / f'torch_{host}.py').write_text(HOST.format(host=host))
    (tmp_path / 'start.py').write_text('''
from unittest import mock
from mmengine.device import get_device
import mmdualpath
from mmengine.dist import init_dist
mmdualpath.compat.enable_cpu()
with mock.patch('torch.distributed.init_process_group') as init:
    init_dist('pytorch', backend='nccl')
print(get_device(), init.call_args.kwargs['backend'])
''')
    path = os.pathsep.join([str(tmp_path), os.environ.get('PYTHONPATH', '')])
    run = subprocess.run([sys.executable, '-W', 'ignore', 'start.py'],
                         cwd=tmp_path,
                         env=dict(
                             os.environ,
                             CUDA_VISIBLE_DEVICES='',
                             PYTHONPATH=path,
                             RANK='0',
                             LOCAL_RANK='0',
                             WORLD_SIZE='1'),
                         capture_output=True,
                         text=True)
    assert run.stdout.splitlines()[-1:] == [f'{host} {backend}'], run.stderr


@pytest.mark.skipif(get_device() != 'cpu', reason='for CPU')
def test_amp_trains_on_cpu(places):
    compat.enable_cpu.__wrapped__()
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


def test_processes_leave_their_group_at_the_end(tmp_path):
    """What is registered first runs last."""
    (tmp_path / 'leave.py').write_text('''
import atexit
import torch.distributed as dist
atexit.register(lambda: print(f"in a group: {dist.is_initialized()}"))
from mmdualpath import compat
from mmengine.dist import init_dist
compat.enable_cpu()
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


@pytest.mark.parametrize('autocast', [False, True])
@pytest.mark.parametrize('layout', ['contiguous', 'channels last'])
@pytest.mark.parametrize('groups', [1, 24])
def test_conv3d_learns_in_bfloat16_on_cpu(groups, layout, autocast):
    """Output and gradients against float64, up to bfloat16's rounding."""
    torch.manual_seed(0)
    conv = Conv3d(24, 24, 3, padding=1, groups=groups)
    assert isinstance(conv, torch.nn.Conv3d)
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


def test_conv3d_is_torchs_otherwise():
    """Bit for bit in float32, with and without a bias and padding modes."""
    for options in (dict(bias=False), dict(padding=1, padding_mode='circular'),
                    dict(stride=2)):
        ours = Conv3d(4, 6, 3, **options)
        theirs = torch.nn.Conv3d(4, 6, 3, **options)
        theirs.load_state_dict(ours.state_dict())
        x = torch.randn(2, 4, 5, 6, 7)
        assert torch.equal(ours(x), theirs(x))
