"""Pictures from columns, and where a question has them."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from app.types.pictures import EncodedPicture, text_of
from datamodules.multimodal.picture_columns import read_picture, read_pictures, with_pictures
from tests.app.types.test_pictures import BLUE, RED, encoded


def test_a_picture_comes_in_many_forms(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(RED.data)
    text = base64.b64encode(RED.data).decode()
    forms = [RED.data, {"bytes": RED.data, "path": "/etc/passwd"}, {"bytes": text, "path": None}, text]
    assert [read_picture(form, None) for form in forms] == [RED] * 4
    assert read_picture({"bytes": None, "path": "red.png"}, tmp_path) == RED
    assert read_picture("red.png", tmp_path) == RED
    assert read_pictures([None, [RED.data, BLUE.data], BLUE.data], None) == [RED, BLUE, BLUE]


@pytest.mark.parametrize("name", ["../secret.png", "/secret.png", "a/../../secret.png", "link.png"])
def test_a_name_from_data_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.png").write_bytes(RED.data)
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(ValueError, match="is not inside"):
        read_picture(
            {"bytes": None, "path": name.replace("/secret", f"{tmp_path}/secret", 1) if name[0] == "/" else name},
            folder,
        )


def test_without_a_folder_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(RED.data)
    with pytest.raises(ValueError, match="set the table's folder"):
        read_picture({"bytes": None, "path": str(tmp_path / "red.png")}, None)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "a picture is neither bytes, nor bytes and path, nor base64, but 7"),
        ({}, "but None"),
        ("bm8gcGljdHVyZQ==", "a picture of 10 bytes can't be read"),
        (encoded("red", (401, 2)).data, "a picture of 401 x 2 pixels is more than 200 times longer than wide"),
    ],
)
def test_what_is_no_picture_is_named(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_picture(value, None)
    with pytest.raises(ValueError, match="can't be read: No such file"):
        read_picture("nowhere.png", Path())


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("What is it?", (RED, BLUE, "What is it?")),
        ("Is <image 1> like <image 2>?", ("Is ", RED, " like ", BLUE, "?")),
        ("<image2>, then <image1>", (BLUE, ", then ", RED)),
        ("only <image 2>", (RED, "only ", BLUE)),
        ("<image 1> and again <image 1>", (BLUE, RED, " and again <image 1>")),
        ("<image 3>, <image 0>, <image>", (RED, BLUE, "<image 3>, <image 0>, <image>")),
    ],
)
def test_pictures_stand_where_the_text_marks_them(text: str, content: tuple[str | EncodedPicture, ...]) -> None:
    assert with_pictures(text, [RED, BLUE]) == content


def test_a_text_without_pictures_stays_one() -> None:
    assert with_pictures("see <image 1>", []) == "see <image 1>"
    assert text_of("see <image 1>") == "see <image 1>"
