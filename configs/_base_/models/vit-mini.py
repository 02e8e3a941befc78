# A miniature ViT of 0.2 M parameters that reads 64 pixels in patches of 8. The
# released one comes with the package and has seen still images only; see
# configs/miniature/pretrain_vit-mini_digits.py.
backbone = dict(
    type='mmpretrain.VisionTransformer',
    arch=dict(
        embed_dims=64, num_layers=4, num_heads=4, feedforward_channels=256),
    img_size=64,
    patch_size=8,
    out_type='cls_token')
pretrained = dict(
    type='Pretrained', checkpoint='mmdualpath://vit-mini_digits.pth')
