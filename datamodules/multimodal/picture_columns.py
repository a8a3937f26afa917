"""Reads pictures from columns in the format of `datasets`, and puts them in the marked places of a question."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.types.pictures import EncodedPicture, Picture

MARK = re.compile(r"<image ?([0-9]{1,2})>")
"""Marks of pictures in a question, as in MMMU and MathVision; the first is 1."""

NARROWEST = 200
"""The largest ratio of a picture's sides: image processors reject more."""


def read_pictures(values: Sequence[Any], folder: Path | None) -> list[Picture]:
    """The pictures of a row's columns, without empty ones; ValueError if one cannot be read.

    A value is a file's bytes, `{bytes, path}`, the bytes in base64, or a list of these. A path is data: it is only
    looked up in the `folder` that the user gave; without one it is an error.
    """
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return [read_picture(value, folder) for value in flat if value is not None]


def read_picture(value: Any, folder: Path | None) -> Picture:
    """One picture, whose header is checked."""
    if isinstance(value, dict):
        value = value.get("path") if value.get("bytes") is None else value["bytes"]
    if isinstance(value, str):
        value = _file(value, folder) if folder is not None else _decoded(value)
    if not isinstance(value, bytes):
        raise ValueError(f"a picture is neither bytes, nor bytes and path, nor base64, but {value!r:.80}")
    picture = EncodedPicture(value)
    width, height = picture.size
    if max(width, height) > NARROWEST * min(width, height):
        raise ValueError(f"a picture of {width} x {height} pixels is more than {NARROWEST} times longer than wide")
    return picture


def _file(name: str, folder: Path) -> bytes:
    """The bytes of a file in the folder; ValueError for a path outside it."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"the picture {name!r:.80} is not inside {folder}")
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise ValueError(f"the picture {name!r:.80} can't be read: {getattr(error, 'strerror', error)}") from None


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        reason = "a picture is named or given as text that is no base64"
        raise ValueError(f"{reason}: {text!r:.80}; set the table's folder to look names up in it") from None


def with_pictures(text: str, pictures: Sequence[Picture]) -> str | tuple[str | Picture, ...]:
    """A message's content: each picture at its first mark in the text, those without a mark before the text.

    A mark without a picture, or of a picture that is already placed, stays in the text.
    """
    if not pictures:
        return text
    parts: list[str | Picture] = []
    end, shown = 0, set[int]()
    for mark in MARK.finditer(text):
        place = int(mark[1]) - 1
        if 0 <= place < len(pictures) and place not in shown:
            parts += [text[end : mark.start()], pictures[place]]
            shown.add(place)
            end = mark.end()
    rest = [picture for place, picture in enumerate(pictures) if place not in shown]
    return tuple(part for part in (*rest, *parts, text[end:]) if part)
