custom_imports = dict(imports=['mmdualpath'], allow_failed_imports=False)
default_scope = 'mmaction'

default_hooks = dict(
    runtime_info=dict(type='RuntimeInfoHook'),
    report=dict(type='ModelReportHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, ignore_last=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(
        type='ReliableCheckpointHook',
        interval=1,
        max_keep_ckpts=3,
        save_best='auto'),
    sampler_seed=dict(type='ExactResumeHook'),
    bad_videos=dict(type='BadVideoHook'),
    cached_features=dict(type='CachedFeaturesHook'),
    float32_scores=dict(type='Float32ScoresHook'),
    sync_buffers=dict(type='SyncBuffersHook'))

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))

log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
log_level = 'INFO'

# Add dict(type='TensorboardVisBackend') to follow the training there.
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='ActionVisualizer', vis_backends=vis_backends)
# custom_hooks = [dict(type='AttentionPictureHook', interval=500)] adds what
# the model reads and attends to, as a picture.

load_from = None
resume = False
