# What all data sets share: loaders of videos listed as "path label" lines.
# Up to 1 % of the videos may be unreadable (max_bad_share); in validation they
# count as wrong answers, in the final test one of them is an error.
train_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='ResumableSampler'),
    dataset=dict(type='ReliableVideoDataset'))
val_dataloader = dict(
    batch_size=16,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ReliableVideoDataset', test_mode=True, unreadable='wrong'))
test_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='ReliableVideoDataset', test_mode=True))

val_evaluator = dict(type='AccMetric')
test_evaluator = dict(type='AccMetric')
