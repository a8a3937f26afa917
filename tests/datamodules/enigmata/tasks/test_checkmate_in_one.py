"""Checkmate in one against python-chess's own reading of moves, and positions whose mates are known."""

from __future__ import annotations

from statistics import mean

import chess
import pytest

from datamodules.enigmata.tasks.checkmate_in_one import TASK, mates, move_named, replayed
from tests.datamodules.enigmata.tasks.contract import draws
from tests.oracles.checkmate_in_one import spellings

FOOLS = {"moves": "1. f3 e5 2. g4", "fen": "rnbqkbnr/pppp1ppp/8/4p3/6P1/5P2/PPPPP2P/RNBQKBNR b KQkq - 0 2"}


def test_one_position_is_one_puzzle() -> None:
    boards = [replayed(f"1. {first} e5 2. {second}") for first, second in (("f3", "g4"), ("g4", "f3"))]
    keys = [TASK.canonical({"moves": "", "fen": board.fen()}) for board in boards if board]
    assert keys == [" ".join(FOOLS["fen"].split()[:4])] * 2


def test_every_move_of_a_position_is_read_as_python_chess_reads_it() -> None:
    for problem in draws(TASK, 3, seed=3):
        board = chess.Board(problem.question["fen"])
        for move in board.legal_moves:
            assert all(move_named(board, text) == move for text in spellings(board, move))
            assert TASK.judge(problem.question, board.san(move)) == (move in list(mates(board)))
        assert chess.Board(problem.question["fen"]) == replayed(problem.question["moves"])


@pytest.mark.parametrize("answer", ["Qh4#", "Qh4", "Qh4+", " 'Qh4#'\n", "`Qh4`", "Qdh4#", "Q8h4#", "Qd8h4#"])
def test_a_mate_as_people_write_it(answer: str) -> None:
    assert TASK.judge(FOOLS, answer)


@pytest.mark.parametrize(
    "answer",
    ["d8h4", "qh4#", "QH4", "Qh4##", "Qxh4#", "Qeh4#", "Qh4=Q", "Qg5", "h4", "O-O#", "--", "Qh4# Qg5", "Ke2", "Z0"],
)
def test_anything_else(answer: str) -> None:
    assert not TASK.judge(FOOLS, answer)


@pytest.mark.parametrize(
    ("fen", "good", "bad"),
    [
        ("7k/5Q2/6K1/8/8/8/8/8 w - - 0 1", "Qg7# Qh7# Qf8# Qe8", "Qg8 Kh6"),  # Qg8 can be taken; Kh6 is stalemate
        ("6k1/R7/1R6/8/8/8/8/K7 w - - 0 1", "Rb8# Rbb8 R6b8 Rb6b8#", "Ra8 Raa8 Rb7"),
        ("7k/1P4pp/8/8/8/8/8/K7 w - - 0 1", "b8=Q# b8=R", "b8 b8=N b8=B b8Q b8=K b7b8=Q"),
        ("7k/4P2p/3P3K/5B2/8/8/8/8 w - - 0 1", "e8=Q# e8=R#", "e8=B d7"),
        ("8/8/8/8/8/3R1R2/8/R3K2k w Q - 0 1", "", "0-0# O-O"),
        ("3k4/8/2R1R3/8/8/8/8/R3K3 w Q - 0 1", "0-0-0# O-O-O Rd1", "O-O Kd1 Kc1"),
    ],
)
def test_positions_whose_mates_are_known(fen: str, good: str, bad: str) -> None:
    question = {"moves": "", "fen": fen}
    assert [word for word in [*good.split(), *bad.split()] if TASK.judge(question, word)] == good.split()


def test_records_as_upstream_has_them() -> None:
    for problem in draws(TASK, 2):
        question = problem.question
        assert TASK.question_of({"meta": TASK.meta(question), "answer": problem.answer}) == question
        chat = [{"role": "user", "content": f"Find it, such as\nRg5#\n\nThe position:\n{question['moves']} "}]
        assert TASK.question_of({"meta": {}, "prompt": chat}) == question
    assert TASK.question_of({"meta": {"question": "1.f3 e5 2.g4"}}) == FOOLS
    for given in (None, 3, "", "1.", "f3 e5 g4", "1. f3 e5 2. g5", "1. f3 e5", "1. " + "Nf3 " * 9000, [["1. f3"]]):
        assert TASK.question_of({"meta": {"question": given}}) is None


def test_harder_games_are_longer() -> None:
    problems = draws(TASK, 4)
    plies = [mean(len(problem.question["moves"].split()) for problem in problems[4 * i : 4 * i + 4]) for i in range(3)]
    assert plies == sorted(plies)
    assert all("White" in str(problem.prompt) and "Black" in str(problem.prompt) for problem in problems)
