from .attention_picture import AttentionPictureHook

__all__ = ['AttentionPictureHook']
