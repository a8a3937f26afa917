"""Pictures in prompts.

A message's `content` is text, or a tuple of texts and pictures in reading order. A picture is opened
when a policy encodes it; until then it is bytes, or the data from which it is drawn.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from io import BytesIO
from typing import Any
from unicodedata import normalize

from PIL import Image

from app.types.problems import Prompt

IN_TEXT = "[picture]"
"""The placeholder of a picture in plain text."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
"""The formats that are opened: for an EPS file, Pillow would run another program."""


class Picture(ABC):
    """A picture of a prompt.

    Attributes:
        digest: equal only for equal pictures.
    """

    digest: str

    @abstractmethod
    def open(self) -> Image.Image:
        """Its pixels, in RGB; ValueError if it cannot be opened."""


@dataclass(frozen=True)
class EncodedPicture(Picture):
    """A picture in the bytes of a file: PNG, JPEG or another of FORMATS.

    Args:
        data: the file's bytes.
    """

    data: bytes = field(repr=False)

    @cached_property
    def digest(self) -> str:  # type: ignore[override]
        return blake2b(self.data, digest_size=16).hexdigest()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, from the file's header; ValueError if it is no picture."""
        with self._opened() as image:
            return image.size

    def open(self) -> Image.Image:
        try:
            with self._opened() as image:
                return image.convert("RGB")
        except (OSError, SyntaxError) as error:  # a valid header, but damaged data
            raise ValueError(f"a picture can't be read: {error}") from None

    def _opened(self) -> Image.Image:
        try:
            return Image.open(BytesIO(self.data), formats=FORMATS)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"a picture of {len(self.data)} bytes can't be read: {error}".split(" <")[0]) from None


def parts_of(content: Any) -> tuple[str | Picture, ...]:
    """The texts and pictures of a message's content, in order."""
    return (content,) if isinstance(content, str) else content


def pictures_of(prompt: Prompt) -> list[Picture]:
    """All pictures of a prompt, in order."""
    messages = () if isinstance(prompt, str) else prompt
    return [part for message in messages for part in parts_of(message["content"]) if isinstance(part, Picture)]


def text_of(content: Any) -> str:
    """A message's content as text, with a word in brackets for each picture."""
    return "".join(part if isinstance(part, str) else IN_TEXT for part in parts_of(content))


def canonical(prompt: Prompt) -> str:
    """A text that is equal only for equal prompts, except line endings and white space around a message.

    It is in Unicode's form NFC: é as one character and as e with an accent are the same text by the Unicode Standard.
    A single message is its text, for any role: plain text and the same text as a chat are one prompt.
    """
    if isinstance(prompt, str):
        return _settled(prompt)
    messages: list[list[Any]] = []
    for message in prompt:
        others = {key: message[key] for key in sorted(message) if key not in ("role", "content")}
        messages.append([message["role"], _settled(message["content"]), *([others] if others else [])])
    plain = len(messages) == 1 and len(messages[0]) == 2
    return messages[0][1] if plain else json.dumps(messages, ensure_ascii=False, default=str)


def _settled(content: Any) -> str:
    """A message as text, with the digest of each picture."""
    text = "".join(part if isinstance(part, str) else f"<{part.digest}>" for part in parts_of(content))
    return normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").strip()


def extent(prompt: Prompt) -> tuple[int, int]:
    """How much there is to read: pictures, then characters; of two prompts the larger is most likely the longer one."""
    parts = [*_parts(prompt)]
    texts = [part for part in parts if isinstance(part, str)]
    return len(parts) - len(texts), sum(map(len, texts))


def _parts(prompt: Prompt) -> Iterator[str | Picture]:
    if isinstance(prompt, str):
        yield prompt
    else:
        for message in prompt:
            yield from parts_of(message["content"])
