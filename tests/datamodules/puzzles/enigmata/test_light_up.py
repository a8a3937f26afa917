"""Light Up against all ways to place bulbs on small boards."""

from __future__ import annotations

from itertools import product
from random import Random

from datamodules.puzzles.enigmata.light_up import TASK, bits, board, solutions
from datamodules.puzzles.enigmata.task import Question
from tests.datamodules.puzzles.enigmata.contract import check_contract, check_corrupted, check_distinct, draws
from tests.datamodules.puzzles.enigmata.coordinates import cells_in, check_records, check_spellings


def shines(grid: list[str], bulb: tuple[int, int], cell: tuple[int, int]) -> bool:
    """Whether nothing black lies on the straight way between the two."""
    (r, c), (y, x) = sorted((bulb, cell))
    way = grid[r][min(c, x) : max(c, x) + 1] if r == y else "".join(row[c] for row in grid[r : y + 1])
    return (r == y or c == x) and set(way) == {"."}


def follows_the_rules(grid: list[str], bulbs: set[tuple[int, int]]) -> bool:
    if not all(r < len(grid) and c < len(grid[0]) and grid[r][c] == "." for r, c in bulbs):
        return False
    for r, c in product(range(len(grid)), range(len(grid[0]))):
        lit = sum(shines(grid, bulb, (r, c)) for bulb in bulbs)
        beside = len(bulbs & {(r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)})
        if grid[r][c] == "." and (not lit or ((r, c) in bulbs and lit > 1)):
            return False
        if grid[r][c] in "01234" and beside != int(grid[r][c]):
            return False
    return True


def right(question: Question, answer: str) -> bool:
    cells = cells_in(answer)
    return cells is not None and follows_the_rules(question["grid"], set(cells))


def test_contract() -> None:
    check_contract(TASK)


def test_distinct() -> None:
    check_distinct(TASK, number=60, difficulty="hard")


def test_corrupted_answers() -> None:
    check_corrupted(TASK, right)


def test_spellings() -> None:
    check_spellings(TASK)


def test_records() -> None:
    check_records(TASK)


def test_solver_against_all_subsets() -> None:
    random = Random(0)
    numbers = set[int]()
    for _ in range(40):
        grid = ["".join(random.choices(".#012", (8, 2, 1, 1, 1), k=3)) for _ in range(3)]
        white = [(r, c) for r in range(3) for c in range(3) if grid[r][c] == "."]
        choices = product((0, 1), repeat=len(white))
        subsets = ({cell for cell, bit in zip(white, chosen, strict=True) if bit} for chosen in choices)
        expected = sorted(sorted(subset) for subset in subsets if follows_the_rules(grid, subset))
        assert sorted([divmod(cell, 3) for cell in bits(found)] for found in solutions(board(tuple(grid)))) == expected
        for cells in expected:
            assert TASK.judge({"grid": grid}, str(cells))
        sentence = "No solution, unable to solve the given Light Up puzzle."
        assert TASK.judge({"grid": grid}, f'"{sentence}"') == (not expected)
        numbers.add(min(len(expected), 2))
    assert numbers == {0, 1, 2}


def test_one_solution_is_left() -> None:
    for problem in draws(TASK, 6):
        assert len(list(solutions(board(tuple(problem.question["grid"]))))) == 1


def test_black_cells_with_and_without_numbers_stop_the_light() -> None:
    for wall in "#2":
        question = {"grid": [f".{wall}."]}
        assert TASK.judge(question, "[(0, 0), (0, 2)]")
        assert not TASK.judge(question, "[(0, 0)]")
    assert not TASK.judge({"grid": [".1."]}, "[(0, 0), (0, 2)]")
    assert not TASK.judge({"grid": ["..."]}, "[(0, 0), (0, 2)]")


def test_harder_has_fewer_numbers() -> None:
    share = {"easy": (5, 5), "medium": (5, 4), "hard": (7, 4)}
    for problem in draws(TASK, 3):
        signs = "".join(problem.question["grid"]).replace(".", "")
        assert (len(signs), len(signs.replace("#", ""))) == share[problem.difficulty]
