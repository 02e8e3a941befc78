# A ViT of 0.07 M parameters that reads 64 pixels in patches of 8, so that each
# frame of a 4 x 4 frameset has 2 x 2 patches.
backbone = dict(
    type='mmpretrain.VisionTransformer',
    arch=dict(
        embed_dims=48, num_layers=2, num_heads=3, feedforward_channels=192),
    img_size=64,
    patch_size=8,
    out_type='cls_token')
pretrained = dict(
    type='Pretrained',
    checkpoint='work_dirs/pretrain_vit-micro_digits/iter_3000.pth')
