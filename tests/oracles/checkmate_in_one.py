"""Checkmate in one: all mates of the position in all spellings that python-chess still understands."""

from __future__ import annotations

from functools import cache

import chess

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import inner


def right(question: Question, answer: str) -> bool:
    return inner(answer) in mating(question["fen"])


@cache
def mating(fen: str) -> set[str]:
    """Every way to write a move after which the other side is in check and has none."""
    board, found = chess.Board(fen), set[str]()
    for move in board.legal_moves:
        after = board.copy()
        after.push(move)
        if after.is_check() and not any(after.legal_moves):
            found |= spellings(board, move)
    return found


def spellings(board: chess.Board, move: chess.Move) -> set[str]:
    """Short, and with file, rank or both of where it comes from, wherever it is still known which is meant."""
    bare = board.san(move).rstrip("+#")
    found = {bare}
    if bare[0] in "KQRBN":
        target, takes = chess.square_name(move.to_square), "x" * board.is_capture(move)
        start = chess.square_name(move.from_square)
        longer = [f"{bare[0]}{part}{takes}{target}" for part in ("", start[0], start[1], start)]
        found |= {text for text in longer if known(board, text)}
    elif bare[0] == "O":
        found.add(bare.replace("O", "0"))
    return {text + sign for text in found for sign in ("", "+", "#")}


def known(board: chess.Board, text: str) -> bool:
    try:
        board.parse_san(text)
    except ValueError:
        return False
    return True
