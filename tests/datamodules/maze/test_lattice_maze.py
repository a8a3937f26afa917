"""Mazes: scoring against a naive verifier, hostile answers, generation and its speed."""

from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datamodules.maze.lattice_maze import BarePrompt, InstructivePrompt, Maze, MazeProblem, PromptStyle
from tests.conftest import least_seconds

GRID = ("*****", "*S..*", "*.*.*", "*..E*", "*****")
STYLES = [BarePrompt(), BarePrompt(border=False), InstructivePrompt()]


def published_verifier(response: str, grid: tuple[str, ...]) -> bool:
    """The authors' verifier, in our own words."""
    if "<answer>" in response and "</answer>" in response:
        response = response.split("<answer>")[-1].split("</answer>")[0]
    row, column = next((r, line.index("S")) for r, line in enumerate(grid) if "S" in line)
    for letter in response.upper():
        down, right = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}.get(letter, (0, 0))
        row, column = row + down, column + right
        if not (0 <= row < len(grid) and 0 <= column < len(grid[0])) or grid[row][column] == "*":
            return False
    return grid[row][column] == "E"


def problem(seed: int, size: int = 7, loop_rate: float = 0.5, style: PromptStyle = STYLES[2]) -> MazeProblem:
    made = Maze(size, loop_rate, style=style).generate(Random(seed))
    assert made is not None
    return made


@given(seed=st.integers(0, 50), path=st.text("UDLRudlr \n", max_size=40), right=st.booleans())
def test_agrees_with_the_published_verifier_on_tagged_answers(seed: int, path: str, right: bool) -> None:
    maze = problem(seed)
    answer = maze.solution.removesuffix("</answer>") + path + "</answer>" if right else f"<answer>{path}</answer>"
    assert maze.score(answer) == published_verifier(answer, maze.grid)


@pytest.mark.parametrize(
    ("response", "score"),
    [
        ("<answer>RRDD</answer>", 1),
        ("<answer> dd rr\n</answer>", 1),
        ("I go <answer>UU</answer>, no: <answer>DDRR</answer>.", 1),
        ("<answer>DDRR</answer>, no: <answer>UU</answer>", 0),
        ("<answer>DDRRLR</answer>", 1),
        ("<answer>RRDDUULLDDRR</answer>", 1),
        ("<answer>DDRRL</answer>", 0),
        ("<answer>URRDD</answer>", 0),
        ("<answer>RRDDx</answer>", 0),
        ("<answer>R,R,D,D</answer>", 0),
        ("<answer>\\boxed{RRDD}</answer>", 1),
        ("<answer></answer>", 0),
        ("<answer>RRDD", 0),
        ("RRDD", 0),
        ("", 0),
        ("<answer>right right down down</answer>", 0),
        ("<answer>" + "LR" * 14 + "RRDD</answer>", 0),
    ],
)
def test_score(response: str, score: float) -> None:
    assert MazeProblem(GRID, InstructivePrompt()).score(response) == score


@pytest.mark.parametrize(("response", "score"), [("RRDD", 1), (" RR DD\n", 1), ("so RRDD", 0), ("", 0), (" ", 0)])
def test_bare_score(response: str, score: float) -> None:
    assert MazeProblem(GRID).score(response) == score


def test_length_cap() -> None:
    longest = "RL" * 14 + "RRDD"  # 32 characters, 4 for each of 8 squares
    assert MazeProblem(GRID).max_answer_length == 32
    assert MazeProblem(GRID).score(longest) == 1
    assert MazeProblem(GRID).score("RL" + longest) == 0
    assert MazeProblem(GRID, moves_per_square=5).score("RL" + longest) == 1


@pytest.mark.parametrize("style", STYLES)
@given(response=st.text() | st.text("UDLR<>/answer\\boxed{} \n*ıſŁＵ"))
def test_any_text_is_scored_and_drawn(style: PromptStyle, response: str) -> None:
    maze = MazeProblem(GRID, style)
    assert maze.score(response) in (0.0, 1.0)
    assert maze.score(response) == maze.score(response)
    assert len(maze.draw(response)) == len(maze.key)


UNITS = ["U", "RL", " ", "\u2003", "<answer>", "</answer>", "\\boxed{", "<answer>U</answer>", "x"]


@pytest.mark.parametrize("unit", UNITS)
def test_a_million_characters_are_judged_in_milliseconds(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    for style in STYLES:
        maze = MazeProblem(GRID, style)
        for response in (text, f"<answer>{text}</answer>", f"<answer>RRDD</answer>{text}"):
            assert least_seconds(lambda maze=maze, response=response: maze.score(response)) < 0.1


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("loop_rate", [0.0, 0.4, 1.0])
def test_reference_answers_pass(style: PromptStyle, loop_rate: float) -> None:
    for seed in range(10):
        maze = problem(seed, 9, loop_rate, style)
        assert maze.score(maze.solution) == 1
        for draw in range(5):
            assert maze.score(maze.demonstrate(Random(draw))) == 1
            assert len(maze.demonstrate(Random(draw))) == len(maze.solution)
        assert maze.label == "9x9"


def test_the_key_is_the_maze_and_not_its_prompt() -> None:
    bare, asked = problem(3, style=STYLES[0]), problem(3, style=STYLES[2])
    assert bare.key == asked.key == "\n".join(bare.grid)
    assert bare.prompt != asked.prompt
    assert bare == problem(3, style=STYLES[0])


def test_draw() -> None:
    assert MazeProblem(GRID).draw("RRDD") == "*****\n*Soo*\n*.*o*\n*..E*\n*****"
    assert MazeProblem(GRID).draw("no answer") == "\n".join(GRID)


@pytest.mark.parametrize("grid", [("S*E",), ("S.",), ("SE", "."), ("SxE",)])
def test_bad_grids(grid: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="the maze"):
        MazeProblem(grid)


def test_min_distance_holds_or_nothing_is_made() -> None:
    made = [Maze(7, 0.0, 10).generate(Random(seed)) for seed in range(300)]
    found = [maze for maze in made if maze is not None]
    assert 0 < len(found) < len(made)
    assert all(len(maze.solution) >= 10 for maze in found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 8}, "size=8 must be odd and at least 5"),
        ({"size": 3}, "size=3 must be odd and at least 5"),
        ({"loop_rate": -0.1}, r"loop_rate=-0.1 must lie in \[0, 1\]"),
        ({"loop_rate": 1.5}, r"loop_rate=1.5 must lie in \[0, 1\]"),
        ({"min_distance": 0}, "min_distance=0 must lie between 1 and 16"),
        ({"min_distance": 17}, "min_distance=17 must lie between 1 and 16"),
        ({"moves_per_square": 0}, "moves_per_square=0 must be at least 1"),
    ],
)
def test_bad_arguments(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Maze(**arguments)  # pyright: ignore[reportArgumentType]


def test_dump_and_load() -> None:
    puzzle = Maze(7, 0.5, style=InstructivePrompt())
    maze = puzzle.generate(Random(0))
    assert maze is not None
    assert puzzle.load(puzzle.dump(maze)) == maze


def test_ten_thousand_15x15_mazes_with_solutions_in_time() -> None:
    """Within 10 s on one core."""
    puzzle = Maze(15)
    start = time.process_time()
    made = [puzzle.generate(Random(f"0/train/15x15/{index}")) for index in range(10_000)]
    assert time.process_time() - start < 10
    assert len({maze.key for maze in made if maze is not None and maze.solution}) == 10_000


def test_the_extracted_answer_is_the_path_as_it_is_read() -> None:
    bare, tagged = MazeProblem(GRID), MazeProblem(GRID, InstructivePrompt())
    assert {bare.extract_answer(response) for response in ("rrdd", " RRDD\n", "RR DD")} == {"RRDD"}
    assert {bare.extract_answer(response) for response in ("", " ", "right", "U" * 1000)} == {None}
    thoughts = ("wall, so <answer>RRDD</answer>", "<answer>U</answer> no: <answer>\\boxed{rrdd}</answer>")
    assert {tagged.extract_answer(response) for response in thoughts} == {"RRDD"}
    assert tagged.extract_answer("RRDD") is None
