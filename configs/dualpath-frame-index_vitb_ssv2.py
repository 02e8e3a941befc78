# bash tools/dist_train.sh configs/dualpath-frame-index_vitb_ssv2.py 8
# DualPath, CLIP ViT-B/16, SSv2, with the positions of the authors' dump: the
# temporal path trains the pretrained position embedding and adds the number of
# the frame to it (docs/miniature.md compares the two in miniature).
# paper: no figure, it has fixed 3-D positions
_base_ = ['./dualpath_vitb_ssv2.py']

_base_.model.backbone.temporal.adapters[0].type = 'FrameIndexPositions'
_base_.model.backbone.temporal.update(
    trainable=['cls_token', 'pos_embed'], zero=[])
