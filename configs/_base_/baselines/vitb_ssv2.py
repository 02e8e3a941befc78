# One view of CLIP ViT-B/16 on 8 frames of Something-Something-V2, the frames
# spread over the whole video, trained by DualPath's own recipe for this data
# set (Table A1), so that the methods differ by one line.
_base_ = [
    '../models/frames_vitb.py', '../datasets/ssv2.py',
    '../schedules/adamw_cosine.py', '../default_runtime.py'
]

model = dict(cls_head=dict(num_classes=174))

for loader in (_base_.train_dataloader, _base_.val_dataloader,
               _base_.test_dataloader):
    loader.dataset.pipeline[1].clip_len = 8
    loader.dataset.pipeline[-2].input_format = 'NCHW'
del loader

optim_wrapper = dict(optimizer=dict(lr=5e-4, weight_decay=0.05))
auto_scale_lr = dict(enable=False, base_batch_size=128)
