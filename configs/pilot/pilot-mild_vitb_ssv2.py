# bash tools/dist_train.sh configs/pilot/pilot-mild_vitb_ssv2.py 8
# Pilot 6, against the best so far: milder augmentation, crops of 50 to 100 %
# and two operations of RandAugment at 7 of 30.
# paper: no figure, a pilot run (docs/recipes.md)
_base_ = ['./pilot-match_vitb_ssv2.py']

augment = [
    dict(type='RandAugment', num_ops=2, magnitude=7),
    dict(type='RandomErasing', p=0.1)
]
train_pipeline = [
    _base_.open_video, _base_.sample, _base_.decode_video,
    dict(type='Resize', scale=(-1, 256)),
    dict(type='RandomResizedCrop', area_range=(0.5, 1.0)),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='ClipAugment', transforms=augment), *_base_.pack_clip
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
