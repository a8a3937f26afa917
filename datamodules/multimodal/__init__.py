"""Questions with pictures: the data module, and reading of pictures from columns."""

from typing import TYPE_CHECKING

from datamodules.on_demand import on_demand

if TYPE_CHECKING:
    from datamodules.multimodal.data_module import CHOICE, OPEN, MultimodalDataModule, PictureTable

__all__ = [
    "CHOICE",
    "OPEN",
    "MultimodalDataModule",
    "PictureTable",
]

__getattr__ = on_demand(__name__, "data_module", ("CHOICE", "OPEN", "MultimodalDataModule", "PictureTable"))
