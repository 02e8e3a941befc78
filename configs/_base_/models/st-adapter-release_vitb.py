# ST-Adapter on CLIP ViT-B/16 as its authors released it: before the last
# block's MLP the raw class tokens are averaged over time, and what the network ends
# with is the final norm of the mean; dropout 0.5 before the classifier.
num_frames = 8
model = dict(
    type='Recognizer2D',
    backbone=dict(
        type='AdaptedBackbone',
        backbone=dict(
            type='CLIPVisionTransformer',
            arch='base',
            patch_size=16,
            out_dims=None,
            init_cfg=dict(
                type='Pretrained', checkpoint='checkpoints/ViT-B-16.pt')),
        adapters=dict(
            mean=dict(
                type='FrameMean',
                site='residual_mlp',
                blocks=[-1],
                num_frames=num_frames),
            mlp=dict(
                type='STAdapter',
                site='residual_mlp',
                width=384,
                num_frames=num_frames))),
    cls_head=dict(
        type='FrameMeanHead',
        num_classes=400,
        in_channels=768,
        num_frames=num_frames,
        dropout=0.5,
        average_clips='prob'),
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[122.771, 116.746, 104.094],
        std=[68.500, 66.632, 70.323],
        format_shape='NCHW'))
