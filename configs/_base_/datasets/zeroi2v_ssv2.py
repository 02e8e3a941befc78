# Something-Something-V2 as AIM and ZeroI2V read it: 8 frames spread over the
# whole video; flips, which change the three pairs of labels that name left and
# right; RandAugment of four operations at magnitude 7 of 10, which is 21 of
# torchvision's 30; random erasing.
_base_ = ['./ssv2.py']

augment = [
    dict(type='RandAugment', num_ops=4, magnitude=21),
    dict(type='RandomErasing', p=0.25)
]
left_right = {86: 87, 87: 86, 93: 94, 94: 93, 166: 167, 167: 166}
train_steps = [
    _base_.decode_video, *_base_.random_crop,
    dict(type='Flip', flip_ratio=0.5, flip_label_map=left_right),
    dict(type='ClipAugment', transforms=augment)
]
sample = dict(type='UniformSample', clip_len=8)
sample_test = dict(sample, test_mode=True)
train_pipeline = [_base_.open_video, sample, *train_steps, *_base_.pack_frames]
val_pipeline = [
    _base_.open_video, sample_test, *_base_.val_steps, *_base_.pack_frames
]
test_pipeline = [
    _base_.open_video, sample_test, *_base_.test_steps, *_base_.pack_frames
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
