# Rendered motions of digits (tools/data/render_digits.py), 16 frames of 64
# pixels. The motions are not symmetric, so nothing is flipped.
_base_ = ['./video.py']

data_root = 'data/digits'
sample = dict(type='UniformSample', clip_len=16, test_mode=True)
train_pipeline = [
    _base_.open_video, sample, _base_.decode_video, *_base_.pack_clip
]
test_pipeline = train_pipeline

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    dataset=dict(
        ann_file=f'{data_root}/train.txt',
        data_prefix=dict(video=f'{data_root}/train'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    dataset=dict(
        ann_file=f'{data_root}/test.txt',
        data_prefix=dict(video=f'{data_root}/test'),
        pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=64,
    num_workers=2,
    dataset=dict(
        ann_file=f'{data_root}/test.txt',
        data_prefix=dict(video=f'{data_root}/test'),
        pipeline=test_pipeline))
top1 = dict(metric_options=dict(top_k_accuracy=dict(topk=(1, ))))
val_evaluator = top1
test_evaluator = top1
