"""Questions with pictures: the data module, and pictures in columns."""

from datamodules.multimodal.data_module import CHOICE, OPEN, MultimodalDataModule, PictureTable

__all__ = [
    "CHOICE",
    "OPEN",
    "MultimodalDataModule",
    "PictureTable",
]
