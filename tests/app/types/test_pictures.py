"""Pictures in prompts: bytes that are opened late, and what a prompt with pictures is as text."""

from __future__ import annotations

import pickle
from io import BytesIO

import pytest
from PIL import Image

from app.types import Prompt
from app.types.pictures import EncodedPicture, canonical, extent, parts_of, pictures_of, text_of


def encoded(colour: str, size: tuple[int, int] = (6, 4), form: str = "PNG", mode: str = "RGB") -> EncodedPicture:
    file = BytesIO()
    Image.new(mode, size, colour).save(file, form)
    return EncodedPicture(file.getvalue())


RED, BLUE = encoded("red"), encoded("blue")


def chat(*content: object) -> Prompt:
    return ({"role": "system", "content": "be brief"}, {"role": "user", "content": content})


@pytest.mark.parametrize(
    ("form", "mode"), [("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "L"), ("GIF", "P"), ("WEBP", "RGB")]
)
def test_a_picture_is_opened_in_rgb(form: str, mode: str) -> None:
    picture = encoded("white" if mode != "P" else 0, form=form, mode=mode)  # type: ignore[arg-type]
    assert picture.size == (6, 4)
    assert (picture.open().mode, picture.open().size) == ("RGB", (6, 4))


def test_what_is_no_picture_is_one_clear_error() -> None:
    for data in (b"", b"no picture", b"\x89PNG\r\n\x1a\n"):
        with pytest.raises(ValueError, match=f"a picture of {len(data)} bytes can't be read") as error:
            EncodedPicture(data).open()
        assert "0x" not in str(error.value)


def test_a_file_that_another_program_would_run_is_no_picture() -> None:
    file = BytesIO()
    Image.new("RGB", (6, 4)).save(file, "EPS")
    with pytest.raises(ValueError, match="can't be read: cannot identify image file"):
        EncodedPicture(file.getvalue()).open()


def test_half_a_picture_is_one_clear_error() -> None:
    noise = Image.effect_noise((64, 64), 50)
    file = BytesIO()
    noise.save(file, "PNG")
    half = EncodedPicture(file.getvalue()[:1000])
    assert half.size == (64, 64)
    with pytest.raises(ValueError, match="a picture can't be read"):
        half.open()


def test_a_picture_that_would_take_all_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match="exceeds limit"):
        encoded("red", (7, 7)).open()


def test_pictures_are_told_apart_by_what_they_hold() -> None:
    assert RED.digest == encoded("red").digest != BLUE.digest
    assert pickle.loads(pickle.dumps(RED)) == RED
    assert "PNG" not in repr(RED)


def test_a_prompt_as_text() -> None:
    prompt = chat("see ", RED, " and ", BLUE)
    assert pictures_of(prompt) == [RED, BLUE]
    assert pictures_of("text") == pictures_of(({"role": "user", "content": "text"},)) == []
    assert text_of(prompt[1]["content"]) == "see [picture] and [picture]"  # type: ignore[index]
    assert parts_of("text") == ("text",)
    assert canonical(prompt) == f'[["system", "be brief"], ["user", "see <{RED.digest}> and <{BLUE.digest}>"]]'
    assert canonical(chat("see ", BLUE, " and ", RED)) != canonical(prompt)


def test_what_tells_prompts_apart() -> None:
    def said(*messages: tuple[str, str]) -> Prompt:
        return tuple({"role": role, "content": content} for role, content in messages)

    prompts: list[Prompt] = [
        *("add: 1 23", "add: 12 3", "add: 123", "if a:\n    b\nc", "if a:\n    b\n    c", "a\tb", "a\u00a0b"),
        *(said(("user", "a"), ("user", "bc")), said(("user", "ab"), ("user", "c"))),
        *(said(("system", "a"), ("user", "b")), said(("user", "a"), ("assistant", "b"))),
    ]
    assert len({canonical(prompt) for prompt in prompts}) == len(prompts)
    same: list[Prompt] = ["a\nb", " a\r\nb\n", "a\rb", said(("user", "a\nb "))]
    assert {canonical(prompt) for prompt in same} == {"a\nb"}


def test_what_there_is_most_to_read_in() -> None:
    long, short, seen = "x" * 100, chat("x"), chat(RED)
    assert max([long, short, seen], key=extent) == seen
    assert max([long, short], key=extent) == long
