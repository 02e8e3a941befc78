# One view of CLIP ViT-L/14 on 8 frames of Kinetics-400, at interval 8,
# trained by DualPath's own recipe for this data set (Table A1), so that the
# methods differ by one line.
_base_ = [
    '../models/frames_vitl.py', '../datasets/k400.py',
    '../schedules/adamw_cosine.py', '../default_runtime.py'
]

model = dict(cls_head=dict(num_classes=400))

for loader in (_base_.train_dataloader, _base_.val_dataloader,
               _base_.test_dataloader):
    loader.dataset.pipeline[1].clip_len = 8
    loader.dataset.pipeline[1].frame_interval = 8
    loader.dataset.pipeline[-2].input_format = 'NCHW'
del loader

train_dataloader = dict(batch_size=8)
optim_wrapper = dict(optimizer=dict(lr=3e-4, weight_decay=0.05))
# Epochs are not in the paper; 30 is what ST-Adapter trains on Kinetics.
train_cfg = dict(max_epochs=30)
_base_.param_scheduler[1].update(end=30, T_max=30 - 3)
auto_scale_lr = dict(enable=False, base_batch_size=64)
