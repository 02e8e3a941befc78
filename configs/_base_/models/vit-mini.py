# A miniature ViT of 0.3 M parameters that reads 64 pixels in patches of 8, to
# be pretrained on still images.
backbone = dict(
    type='mmpretrain.VisionTransformer',
    arch=dict(
        embed_dims=64, num_layers=6, num_heads=4, feedforward_channels=256),
    img_size=64,
    patch_size=8,
    out_type='cls_token')
pretrained = dict(
    type='Pretrained',
    checkpoint='work_dirs/pretrain_vit-mini_digits/epoch_6.pth')
