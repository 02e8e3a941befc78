# ViT-B/16 of MAE, pretrained on ImageNet-1K, frozen; the FC trains. As in
# MAE's linear probing, the class token is normalised over the batch.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmaction.AdaptedBackbone',
        as_tuple=True,
        backbone=dict(
            type='VisionTransformer',
            arch='base',
            img_size=224,
            patch_size=16,
            out_type='cls_token',
            final_norm=True,
            init_cfg=dict(
                type='Pretrained',
                checkpoint='checkpoints/mae_pretrain_vit_base.pth'))),
    neck=dict(type='ClsBatchNormNeck', input_features=768),
    head=dict(
        type='LinearClsHead',
        num_classes=100,
        in_channels=768,
        loss=dict(type='CrossEntropyLoss'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.01)))
