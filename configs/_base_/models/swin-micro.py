# A Swin of 0.3 M parameters that reads 64 pixels in patches of 8: windows of
# 4 x 4 patches, then of all that is left.
backbone = dict(
    type='mmpretrain.SwinTransformer',
    arch=dict(embed_dims=48, depths=[2, 2], num_heads=[3, 6]),
    img_size=64,
    patch_size=8,
    window_size=4,
    drop_path_rate=0.,
    out_indices=(1, ))
pretrained = dict(
    type='Pretrained',
    checkpoint='work_dirs/pretrain_swin-micro_digits/iter_3000.pth')
