"""Trainings at the edges: batches, classes, what trains, how it steps."""
import engine_runs
import pytest
import torch
from mmengine.config import Config
from tiny_training import make_runner


@pytest.fixture(scope='module')
def base(tmp_path_factory):
    """No dropout, plain SGD, two steps of four videos."""
    cfg = engine_runs.config(tmp_path_factory.mktemp('numbers'))
    cfg.model.cls_head.dropout = 0.
    cfg.optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.5))
    cfg.param_scheduler = None
    cfg.train_cfg.max_epochs = 1
    cfg.train_dataloader.batch_size = 4
    return cfg


def trained(base, folder, before=None, **options):
    return engine_runs.run(base, folder, before, **options)


@pytest.mark.parametrize(
    'options',
    [
        {
            'train_dataloader.batch_size': 1
        },
        {
            'train_dataloader.batch_size': 3
        },  # and a last one of 2
        {
            'model.cls_head.num_classes': 1
        },
    ],
    ids=['batch of one', 'uneven batches', 'one class'])
def test_edges(base, tmp_path, options):
    cfg = Config(base.to_dict(), filename=base.filename)
    if 'model.cls_head.num_classes' in options:
        (tmp_path / 'zeros.txt').write_text(''.join(f'{i}.mp4 0\n'
                                                    for i in range(8)))
        cfg.train_dataloader.dataset.ann_file = str(tmp_path / 'zeros.txt')
    got = trained(cfg, tmp_path, **options)
    videos = [v for n in got['notes'] for v in n['videos']]
    assert sorted(videos) == [f'{i}.mp4' for i in range(8)]
    losses = [float.fromhex(n['loss']) for n in got['notes']]
    assert all(0 <= x < 100 for x in losses)
    assert (max(losses) == 0) == ('model.cls_head.num_classes' in options)


def test_a_label_without_a_class_is_named(base, tmp_path):
    with pytest.raises(
            ValueError,
            match='list.txt has the label 1, but '
            'cls_head.num_classes=1'):
        trained(base, tmp_path, **{'model.cls_head.num_classes': 1})


def test_accumulation_is_the_large_batch(base, tmp_path):
    """Two steps on four videos equal four half steps on two."""
    large = trained(base, tmp_path / 'large')
    small = trained(
        base, tmp_path / 'small', **{
            'train_dataloader.batch_size': 2,
            'optim_wrapper.accumulative_counts': 2
        })
    assert len(small['notes']) == 2 * len(large['notes'])
    start = make_runner(base, work_dir=str(tmp_path)).model.state_dict()
    moved = 0
    for name, value in large['model'].items():
        if value.is_floating_point():
            torch.testing.assert_close(
                small['model'][name], value, rtol=1e-3, atol=1e-5)
            moved += not torch.allclose(value, start[name], atol=1e-3)
    assert moved > 4


def test_gradients_are_clipped(base, tmp_path):
    """No step of SGD is longer than lr x max_norm; without it each is."""
    lengths = {}
    for name, clip in (('free', {}), ('clipped', {
            'optim_wrapper.clip_grad':
            dict(max_norm=0.01)
    })):
        steps = lengths[name] = []

        def before(runner):
            step = runner.model.train_step
            params = [p for p in runner.model.parameters() if p.requires_grad]

            def measured(*args, **kwargs):
                old = [p.detach().clone() for p in params]
                out = step(*args, **kwargs)
                steps.append(
                    torch.stack([(p - o).detach().square().sum()
                                 for p, o in zip(params, old)]).sum().sqrt())
                return out

            runner.model.train_step = measured

        trained(base, tmp_path / name, before, **clip)
    assert all(x <= 0.5 * 0.01 * 1.001 for x in lengths['clipped'])
    assert all(x > 0.5 * 0.01 for x in lengths['free'])


@pytest.mark.parametrize('trainable', [[], ['.*']], ids=['all', 'none'])
def test_all_and_none_of_the_backbone_frozen(base, tmp_path, trainable):
    """A linear probe moves the head alone, full tuning everything."""
    cfg = Config(base.to_dict(), filename=base.filename)
    backbone = cfg.model.backbone.backbone
    cfg.model = dict(
        type='Recognizer2D',
        backbone=dict(
            type='AdaptedBackbone',
            backbone=dict(backbone, out_dims=None, out_type='featmap'),
            adapters=[],
            trainable=trainable),
        cls_head=dict(
            type='TSNHead', num_classes=2, in_channels=48, dropout_ratio=0.),
        data_preprocessor=dict(
            type='ActionDataPreprocessor',
            mean=[127.5] * 3,
            std=[64.] * 3,
            format_shape='NCHW'))
    cfg.train_dataloader.dataset.pipeline[-2].input_format = 'NCHW'
    before = {}

    def remember(runner):
        runner.model.init_weights = lambda: None
        before.update((n, p.detach().clone())
                      for n, p in runner.model.named_parameters())

    runner = {}
    got = trained(cfg, tmp_path, lambda r: (remember(r), runner.update(it=r)))
    assert got['notes']
    still = {
        n
        for n, p in runner['it'].model.named_parameters()
        if torch.equal(p, before[n])
    }
    backbone = {n for n in before if n.startswith('backbone.')}
    assert still == (set() if trainable else backbone)


def test_nothing_to_train_is_refused(base, tmp_path):
    cfg = Config(base.to_dict(), filename=base.filename)
    cfg.optim_wrapper.constructor = 'TrainableParamsConstructor'
    with pytest.raises(ValueError, match='Nothing in the model trains'):
        trained(cfg, tmp_path, lambda r: r.model.requires_grad_(False))


def test_an_overflow_in_fp16_is_skipped(monkeypatch):
    """Gradients beyond fp16 halve the loss scale and move nothing."""
    from mmengine.optim import AmpOptimWrapper
    from mmengine.optim.optimizer import amp_optimizer_wrapper
    monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available',
                        lambda: True)
    weight = torch.nn.Parameter(torch.ones(4))
    wrapper = AmpOptimWrapper(
        loss_scale='dynamic', optimizer=torch.optim.SGD([weight], 1.))
    wrapper.loss_scaler = torch.amp.GradScaler('cpu', init_scale=2.**16)
    for factor, moves in ((1e35, False), (1e-3, True)):
        scale = wrapper.loss_scaler.get_scale()
        old = weight.detach().clone()
        wrapper.update_params((weight * factor).sum())
        assert torch.equal(weight, old) != moves
        assert (wrapper.loss_scaler.get_scale() < scale) != moves
