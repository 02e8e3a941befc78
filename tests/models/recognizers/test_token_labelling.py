import copy

import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample

HEAD = dict(type='I3DHead', num_classes=7, average_clips='prob')
DUALFORMER = dict(
    type='DualFormer',
    arch=dict(embed_dims=8, num_heads=2, depths=(2, 2)),
    window=(2, 4, 4),
    fine_sizes=((2, 2, 2), (2, 2, 2)),
    coarse_kernels=(None, None))
# A network of MMAction2 itself: it puts out a map of 4 x 8 x 8 tokens.
SWIN = dict(
    type='SwinTransformer3D',
    arch=dict(embed_dims=12, depths=[1], num_heads=[2]),
    pretrained=None,
    pretrained2d=False,
    window_size=(2, 4, 4),
    out_indices=(0, ))
TEACHER = dict(
    type='Recognizer3D',
    backbone=DUALFORMER,
    cls_head=dict(HEAD, in_channels=16),
    init_cfg=dict(type='RandomWeights'))


def build(backbone=DUALFORMER, in_channels=16, **options):
    return MODELS.build(
        dict(
            type='TokenLabelRecognizer3D',
            backbone=backbone,
            cls_head=dict(HEAD, in_channels=in_channels),
            **dict(dict(teacher=TEACHER), **options)))


@pytest.fixture
def clips() -> torch.Tensor:
    return torch.randn(2, 1, 3, 8, 32, 32)


@pytest.fixture
def samples() -> list:
    return [ActionDataSample().set_gt_label(i) for i in (0, 2)]


@pytest.mark.parametrize('backbone, in_channels, shape', [
    (DUALFORMER, 16, (4, 4, 4)),
    (SWIN, 12, (4, 8, 8)),
])
def test_loss(backbone, in_channels, shape, clips, samples):
    """The teacher's classifier at every location teaches the student's."""
    model = build(
        backbone,
        in_channels,
        token_head=dict(loss_weight=0.25, topk=3, dropout=0.))
    model.init_weights()
    for layer in (model.teacher.cls_head.fc_cls, *model.token_head.layers):
        for weights in layer.parameters():  # far from even scores
            torch.nn.init.normal_(weights)
    # The sole dropout left is the class head's.
    losses = model(clips, samples, mode='loss')

    teacher = model.teacher
    maps = teacher.backbone(clips[:, 0])
    scores = torch.einsum('bcthw,kc->bkthw', maps,
                          teacher.cls_head.fc_cls.weight)
    scores += teacher.cls_head.fc_cls.bias.view(-1, 1, 1, 1)
    times = [a // b for a, b in zip(shape, scores.shape[2:])]
    for axis, n in enumerate(times, 2):
        scores = scores.repeat_interleave(n, axis)
    student = model.token_head(model.backbone(clips[:, 0]))
    assert student.shape == (2, 7, *shape)
    kept = scores >= scores.topk(3, dim=1).values[:, -1:]
    labels = scores.masked_fill(~kept, -float('inf')).softmax(1)
    expected = -(labels * student.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(losses['loss_token'], 0.25 * expected)
    assert 'loss_cls' in losses

    total, _ = model.parse_losses(losses)
    torch.testing.assert_close(total,
                               losses['loss_cls'] + losses['loss_token'])


def test_only_the_student_learns(clips, samples):
    model = build()
    model.init_weights()
    before = copy.deepcopy(model.teacher.state_dict())
    model.train()
    assert not any(m.training for m in model.teacher.modules())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    total, _ = model.parse_losses(model(clips, samples, mode='loss'))
    total.backward()
    optimizer.step()
    assert all(p.grad is not None for p in model.parameters())
    for name, tensor in model.teacher.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_checkpoints_are_those_of_the_student():
    plain = MODELS.build(
        dict(
            type='Recognizer3D',
            backbone=DUALFORMER,
            cls_head=dict(HEAD, in_channels=16)))
    extra = set(build().state_dict()) - set(plain.state_dict())
    assert extra == {
        f'token_head.layers.{i}.{k}'
        for i in (0, 3, 6)
        for k in ('weight', 'bias')
    }


def test_a_trained_model_is_tested_without_its_teacher(clips, samples):
    model = build(
        teacher=dict(
            TEACHER, init_cfg=dict(type='Pretrained', checkpoint='none.pth')))
    model.eval()
    prediction = model(clips, samples, mode='predict')[0]
    assert prediction.pred_score.shape == (7, )
    with pytest.raises(ValueError, match='call init_weights'):
        model(clips, samples, mode='loss')


def test_the_teachers_file_is_loaded(tmp_path):
    teacher = MODELS.build({
        k: v
        for k, v in TEACHER.items() if k != 'init_cfg'
    })
    file = tmp_path / 'teacher.pth'
    init_cfg = dict(type='Pretrained', checkpoint=str(file))
    torch.save(dict(state_dict=teacher.state_dict()), file)
    model = build(teacher=dict(TEACHER, init_cfg=init_cfg))
    model.init_weights()
    for name, tensor in teacher.state_dict().items():
        assert torch.equal(tensor, model.teacher.state_dict()[name]), name

    state = teacher.state_dict()
    del state['cls_head.fc_cls.bias']
    torch.save(dict(state_dict=state), file)
    with pytest.raises(ValueError, match='cls_head.fc_cls.bias'):
        build(teacher=dict(TEACHER, init_cfg=init_cfg)).init_weights()


@pytest.mark.parametrize('teacher, message', [
    (dict(init_cfg=None), 'The teacher has no weights'),
    (dict(cls_head=dict(HEAD, num_classes=8, in_channels=16)),
     'knows 8 classes, the model 7'),
])
def test_teachers_that_do_not_fit(teacher, message):
    with pytest.raises(ValueError, match=message):
        build(teacher=dict(TEACHER, **teacher))
