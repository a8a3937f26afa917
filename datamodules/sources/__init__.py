"""Reads rows of published data: files and data sets of the hub, and their columns."""

from datamodules.sources.json_text import parse_json
from datamodules.sources.prompts import columns_of, fill, read_prompt
from datamodules.sources.rows import (
    HUB_ID,
    check_source,
    located,
    parse_rows,
    placed,
    read_dataset,
    read_jsonl,
    read_rows,
)

__all__ = [
    "HUB_ID",
    "check_source",
    "columns_of",
    "fill",
    "located",
    "parse_json",
    "parse_rows",
    "placed",
    "read_dataset",
    "read_jsonl",
    "read_prompt",
    "read_rows",
]
