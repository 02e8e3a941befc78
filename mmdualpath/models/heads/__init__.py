from .mlp_head import MLPHead
from .token_label_head import TokenLabelHead

__all__ = ['MLPHead', 'TokenLabelHead']
