"""Questions with pictures from files like MathVision's and MMMU's, and their scores."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from app.cli import main
from app.types.pictures import pictures_of
from datamodules.multimodal import CHOICE, OPEN, MultimodalDataModule, PictureTable
from tests.app.seeing import write_vision
from tests.app.types.test_pictures import BLUE, RED
from tests.conftest import BY_LENGTH, PICTURES, CommandLine, callback, constant, gap, scripted, stage

pytest.importorskip("math_verify")

MATH_VISION = [
    {"question": "How many corners?\n<image1>", "options": [], "decoded_image": RED, "answer": "4"},
    {"question": "Which is it?\n<image1>", "options": ["A", "B", "C"], "decoded_image": BLUE, "answer": "B"},
]
MMMU = [
    {"question": "Is <image 2> or <image 1> <b>warm</b>?", "options": "['the first', 'the second']", "answer": "B"},
    {"question": "How large is <image 1>?", "options": "[]", "answer": "['24', '6 \\\\times 4']"},
    {"question": "Of what kind?", "options": "['<image 1>', '<image 2>']", "answer": "A"},
]


def parquet(path: Path, rows: list[dict[str, Any]], *columns: str) -> str:
    """A file as the hub has it, whose picture columns are declared."""
    plain = [{name: getattr(value, "data", value) for name, value in row.items()} for row in rows]
    structs = [{n: {"bytes": v, "path": None} if n in columns and v else v for n, v in row.items()} for row in plain]
    data = datasets.Dataset.from_list(structs)
    for column in columns:
        data = data.cast_column(column, datasets.Image())
    data.to_parquet(path)
    return str(path)


@pytest.fixture
def mmmu(tmp_path: Path) -> PictureTable:
    rows = [{**row, "image_1": RED, "image_2": BLUE, "image_3": None} for row in MMMU]
    return PictureTable(parquet(tmp_path / "mmmu.parquet", rows, "image_1", "image_2"))


@pytest.fixture
def math_vision(tmp_path: Path) -> PictureTable:
    return PictureTable(
        parquet(tmp_path / "mathvision.parquet", MATH_VISION, "decoded_image"), pictures=["decoded_image"]
    )


def jsonl(path: Path, *rows: object) -> str:
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_a_template_takes_the_place_of_the_question(math_vision: PictureTable) -> None:
    table = replace(math_vision, template="Look well. {question} (boxed)")
    (corners, _) = MultimodalDataModule(validation={"MathVision": table}).load_splits()[0]["validation"]
    assert corners.prompt[0]["content"] == ("Look well. How many corners?\n", RED, f" (boxed)\n\n{OPEN}")  # type: ignore[index]
    with pytest.raises(ValueError, match=r"template: \{answer\} is the column of the answer"):
        replace(math_vision, template="{question} {answer}")


def test_questions_as_math_vision_has_them(math_vision: PictureTable) -> None:
    splits, _ = MultimodalDataModule(validation={"MathVision": math_vision}).load_splits()
    corners, letters = splits["validation"]
    assert corners.prompt[0]["content"] == ("How many corners?\n", RED, f"\n\n{OPEN}")  # type: ignore[index]
    assert letters.prompt[0]["content"] == ("Which is it?\n", BLUE, f"\n\n{CHOICE}")  # type: ignore[index]
    assert [corners.score(r"\boxed{4.0}"), corners.score(r"\boxed{5}")] == [1, 0]
    assert [letters.score(r"\boxed{B}"), letters.score(r"\boxed{A}")] == [1, 0]


def test_questions_as_mmmu_has_them(mmmu: PictureTable) -> None:
    splits, dropped = MultimodalDataModule(validation={"Art": mmmu}).load_splits()
    warm, size, kind = splits["validation"]
    assert dropped["validation"] == 0
    assert [problem.label for problem in splits["validation"]] == ["Art"] * 3
    assert warm.prompt[0]["content"] == (  # type: ignore[index]
        "Is ", BLUE, " or ", RED, f" <b>warm</b>?\n\nA. the first\nB. the second\n\n{CHOICE}",
    )  # fmt: skip
    assert kind.prompt[0]["content"] == ("Of what kind?\n\nA. ", RED, "\nB. ", BLUE, f"\n\n{CHOICE}")  # type: ignore[index]
    assert pictures_of(size.prompt) == [BLUE, RED]
    assert [size.score(rf"\boxed{{{answer}}}") for answer in ("24", r"6 \times 4", "25")] == [1, 1, 0]
    for problem in splits["validation"]:
        assert problem.score(problem.solution) == 1


@pytest.mark.parametrize(
    ("row", "table"),
    [
        ({"choices": ["one", "two"], "answer": 1}, {"options": "choices", "first_option": 0}),
        ({"options": ["A)one", "B)two"], "correct": "B"}, {"answer": "correct"}),
        ({"options": {"A": "one", "B": "two"}, "label": ["B"]}, {"answer": "label"}),
        ({"choices": {"text": ["one", "two"]}, "key": {"is": "B"}}, {"options": "choices.text", "answer": "key.is"}),
        ({"A": "one", "B": "two", "answer": "B"}, {"options": ["A", "B"]}),
    ],
    ids=["MMLU", "AQuA", "AGIEval", "ARC", "columns"],
)
def test_multiple_choice_without_pictures(tmp_path: Path, row: dict[str, Any], table: dict[str, Any]) -> None:
    source = jsonl(tmp_path / "rows.jsonl", {"question": "How many?", **row})
    data = MultimodalDataModule(validation={"x": PictureTable(source, pictures=[], **table)})
    (problem,) = data.load_splits()[0]["validation"]
    assert problem.prompt[0]["content"] == f"How many?\n\nA. one\nB. two\n\n{CHOICE}"  # type: ignore[index]
    assert [problem.score(rf"\boxed{{{answer}}}") for answer in ("B", "two", "A", "one", "3")] == [1, 1, 0, 0, 0]


def test_rows_with_several_right_options_are_skipped_up_to_a_share(tmp_path: Path) -> None:
    rows = [{"question": str(row), "options": ["one", "two"], "answer": row} for row in ("A", "B", ["A", "B"])]
    source = jsonl(tmp_path / "rows.jsonl", *rows)
    table = PictureTable(source, pictures=[], max_skipped_rows=0.4)
    assert len(MultimodalDataModule(validation={"x": table}).load_splits()[0]["validation"]) == 2
    with pytest.raises(ValueError, match=r"row 3: .* of 3 rows, above max_skipped_rows=0.3"):
        MultimodalDataModule(validation={"x": replace(table, max_skipped_rows=0.3)}).load_splits()
    with pytest.raises(ValueError, match="max_skipped_rows=1 must lie in"):
        replace(table, max_skipped_rows=1)


def test_jsonl_holds_the_same(tmp_path: Path, mmmu: PictureTable) -> None:
    pictures = {f"image_{n}": base64.b64encode(each.data).decode() for n, each in enumerate((RED, BLUE), start=1)}
    source = jsonl(tmp_path / "rows.jsonl", *({**row, **pictures} for row in MMMU))
    (tmp_path / "red.png").write_bytes(RED.data)
    (tmp_path / "blue.png").write_bytes(BLUE.data)
    named = jsonl(tmp_path / "named.jsonl", *({**row, "image": ["red.png", "blue.png"]} for row in MMMU))
    tables = [mmmu, PictureTable(source), PictureTable(named, folder=str(tmp_path))]
    read = [MultimodalDataModule(validation={"x": table}).load_splits()[0]["validation"] for table in tables]
    assert read[0] == read[1] == read[2]


def test_a_column_may_be_a_list_of_pictures(tmp_path: Path, mmmu: PictureTable) -> None:
    lists = [[RED.data, BLUE.data], [], None]
    rows = [
        {**row, "images": each and [{"bytes": data} for data in each]} for row, each in zip(MMMU, lists, strict=True)
    ]
    features = datasets.Features(
        {**dict.fromkeys(MMMU[0], datasets.Value("string")), "images": datasets.List(datasets.Image())}
    )
    path = str(tmp_path / "lists.parquet")
    datasets.Dataset.from_list(rows, features=features).to_parquet(path)
    table = PictureTable(path, pictures=("images",))
    both, none, null = MultimodalDataModule(validation={"x": table}).load_splits()[0]["validation"]
    assert [pictures_of(each.prompt) for each in (both, none, null)] == [[BLUE, RED], [], []]


def test_the_same_question_about_another_picture_is_another(tmp_path: Path) -> None:
    rows = [{"question": "What?", "answer": "1", "image": base64.b64encode(each.data).decode()} for each in (RED, BLUE)]
    tables = [PictureTable(jsonl(tmp_path / f"{n}.jsonl", *part)) for n, part in enumerate([rows, rows[:1]])]
    splits, dropped = MultimodalDataModule(train=tables[0], validation={"x": tables[1]}).load_splits()
    assert dropped["train"] == 1
    assert [pictures_of(problem.prompt) for problem in splits["train"]] == [[BLUE]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "What?", "answer": "1", "image": "nope.png"}, "row 1: a picture is named or given as text"),
        (
            {"question": "What?", "answer": "1", "picture": ""},
            "row 1: no column of pictures, image, image_1, .*; there",
        ),
        ({"question": "", "answer": "1", "image": None}, "row 1: the column 'question' holds no question, but ''"),
        ({"question": "What?", "image": None}, "row 1: the column 'answer' holds no answer"),
        (
            {"question": "?", "answer": "C", "options": ["x", "y"], "image": None},
            "row 1: the answer 'C' is none of the 2",
        ),
        ([], "row 1: not an object with named columns"),
    ],
)
def test_a_row_that_is_none_is_named(tmp_path: Path, row: object, message: str) -> None:
    table = PictureTable(jsonl(tmp_path / "rows.jsonl", row))
    with pytest.raises(ValueError, match=message):
        MultimodalDataModule(validation={"x": table}).load_splits()


def test_a_folder_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere is no folder"):
        PictureTable(jsonl(tmp_path / "rows.jsonl", {}), folder="nowhere")


def run(passk: CommandLine, command: str, data: dict[str, Any], folder: Path, **overlay: Any) -> Any:
    """A command on such questions, with a policy that sees; the data come last, in place of the miniature's."""
    model = {"policy": {"class_path": "app.policy.VisionPolicy", "init_args": {"path": str(write_vision(folder))}}}
    settings = passk.folder / "pictures.yaml"
    module = {"class_path": "datamodules.multimodal.MultimodalDataModule", "init_args": data}
    settings.write_text(json.dumps({"data": module}))
    return main([command, *passk.options(*PICTURES, cached=False, model=model, **overlay), f"--config={settings}"])


def test_pass_at_k_of_each_set_through_the_command_line(
    passk: CommandLine, tmp_path: Path, math_vision: PictureTable, mmmu: PictureTable
) -> None:
    """Half of the answers say B, which is right for one question of each set; the policy reads every picture."""
    sets = {
        "MathVision": {"source": math_vision.source, "pictures": ["decoded_image"]},
        "Art": {"source": mmmu.source},
    }
    engine = {"rollout": {"engine": scripted(r"That is \boxed{B}.", "No idea.")}}
    longer = {"evaluation": {"sampling": {"max_new_tokens": 32}}}
    cli = run(passk, "validate", {"validation": sets}, tmp_path / "checkpoint", **engine, **longer)
    figures = callback(cli, "PassKEvaluation").history[-1]
    assert figures["eval/MathVision/pass@1"] == pytest.approx(1 / 4)
    assert figures["eval/MathVision/pass@4"] == pytest.approx(1 / 2)
    assert figures["eval/Art/pass@4"] == pytest.approx(1 / 3, abs=1e-6)


def test_the_policy_trains_on_questions_with_two_pictures_with_one_and_with_none(
    passk: CommandLine, tmp_path: Path, mmmu: PictureTable
) -> None:
    red, blue = (base64.b64encode(each.data).decode() for each in (RED, BLUE))
    rows = [{"question": f"{n}?", "answer": n, "image": each} for n, each in enumerate([None, red, [red, blue]])]
    train = {"source": jsonl(tmp_path / "train.jsonl", *rows)}
    data = {"train": train, "validation": {"Art": {"source": mmmu.source}}, "batch_size": 3}
    stages = [stage("explore", BY_LENGTH, learning_rate=constant(1e-3))]
    cli = run(passk, "fit", data, tmp_path / "checkpoint", schedule={"stages": stages})
    assert cli.model.iteration == 2
    assert gap(tmp_path / "checkpoint", Path(cli.trainer.log_dir) / "stages/1-explore") > 0


@pytest.mark.parametrize(
    ("options", "answer", "passes"),
    [
        ([], 3e-7, r"3 \times 10^{-7}"),
        ([], [2.0, 5.0], "5"),
        ([], ["$MgS$", "MgS"], "MgS"),
        ([2.0, 0.5, 1e-7], 0.5, "B"),
        ([2.0, 0.5, 1e-7], 1e-7, "0.0000001"),
    ],
)
def test_numbers_of_options_and_answers(tmp_path: Path, options: list[float], answer: object, passes: str) -> None:
    row = {"question": "How much?", "options": options, "answer": answer, "image": None}
    table = PictureTable(jsonl(tmp_path / "rows.jsonl", row))
    (problem,) = MultimodalDataModule(validation={"own": table}).load_splits()[0]["validation"]
    assert problem.score(f"It is \\boxed{{{passes}}}.") == problem.score(problem.solution) == 1
    assert problem.score(r"It is \boxed{7}.") == 0


@pytest.mark.parametrize(
    "answer", [{"text": "3"}, ["3", r"\frac{1}{2"], [["3", "4"]], r"\frac{1}{2", "nan", "", [None], "x+" * 200]
)
def test_an_open_answer_that_nothing_equals_is_refused(tmp_path: Path, answer: object) -> None:
    row = {"question": "How much?", "options": [], "answer": answer, "image": None}
    table = PictureTable(jsonl(tmp_path / "rows.jsonl", row))
    with pytest.raises(ValueError, match=r"rows.jsonl, row 1: the (answer|column 'answer')"):
        MultimodalDataModule(validation={"own": table}).load_splits()
