# One view of Swin-B (ImageNet-21K) on 8 frames of HMDB51, at interval 8,
# trained by DualPath's own recipe for this data set (Table A1), so that the
# methods differ by one line.
_base_ = [
    '../models/frames_swinb.py', '../datasets/hmdb51.py',
    '../schedules/adamw_cosine.py', '../default_runtime.py'
]

model = dict(cls_head=dict(num_classes=51))

for loader in (_base_.train_dataloader, _base_.val_dataloader,
               _base_.test_dataloader):
    loader.dataset.pipeline[1].clip_len = 8
    loader.dataset.pipeline[1].frame_interval = 8
    loader.dataset.pipeline[-2].input_format = 'NCHW'
del loader

optim_wrapper = dict(optimizer=dict(lr=1e-4, weight_decay=0.02))
# Epochs are not in the paper; 50 is from the authors' dump of DualPath.
train_cfg = dict(max_epochs=50)
_base_.param_scheduler[1].update(end=50, T_max=50 - 3)
auto_scale_lr = dict(enable=False, base_batch_size=128)
