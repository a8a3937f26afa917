"""Checkmate in one: find the mating move after the moves of a chess game."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, ClassVar

import chess

from datamodules.enigmata.tasks.answers import LONGEST, bare
from datamodules.enigmata.tasks.task import Levels, Question, Task

_SAN = re.compile(r"([KQRBN]?)([a-h]?)([1-8]?)(x?)([a-h][1-8])(?:=([QRBN]))?[+#]?")
_CASTLING = re.compile(r"(?:O-O(-O)?|0-0(-0)?)[+#]?")
_START = re.compile(r"(?:^|\s)1\.(?=[\sa-hN])")
_NUMBER = re.compile(r"(?:^|(?<=\s))[0-9]{1,3}\.+")
_PIECES = {chess.PIECE_SYMBOLS[kind].upper(): kind for kind in chess.PIECE_TYPES}


class CheckmateInOne(Task):
    """A question is `{"moves": the numbered game, "fen": the position it leads to}`.

    Upstream took games from BIG-bench and has no generator and no difficulties; here difficulty is the length.
    """

    name = "checkmate_in_one"
    levels: ClassVar[Levels] = {
        "easy": ({"shortest": 4, "longest": 24},),
        "medium": ({"shortest": 25, "longest": 45},),
        "hard": ({"shortest": 46, "longest": 75},),
    }

    def draw(self, random: Random, shortest: int, longest: int) -> tuple[Question, str] | None:
        """Random legal play of this many half-moves, up to the first position with a mating move."""
        board, attacker = chess.Board(), random.random() < 0.5
        while board.ply() <= longest and (moves := list(board.legal_moves)):
            mate = next(mates(board, seen_by_king(board)), None) if board.ply() >= shortest else None
            if mate is not None:
                return question_at(board), board.san(mate)
            weigh = attacker_weight if board.turn == attacker else defender_weight
            board.push(random.choices(moves, [weigh(board, move) for move in moves])[0])
        return None

    def ask(self, question: Question) -> str:
        board = chess.Board(question["fen"])
        lines = [f"{rank} {line}" for rank, line in zip("87654321", str(board).splitlines(), strict=True)]
        diagram = "\n".join([*lines, "  a b c d e f g h"])
        side = "White" if board.turn else "Black"
        return (
            f"A game of chess has gone like this, and it is {side}'s turn:\n\n{question['moves']}\n\n"
            "The position now (capital letters are White's pieces, small ones Black's):\n\n"
            f"{diagram}\n\n"
            f"Find a move by which {side} checkmates at once. Give that one move in standard algebraic notation, "
            "without its number, in a fenced code block, as in Nf7# or exd8=Q#."
        )

    def judge(self, question: Question, answer: str) -> bool:
        board = chess.Board(question["fen"])
        move = move_named(board, bare(answer))
        if move is None:
            return False
        board.push(move)
        return board.is_checkmate()

    def canonical(self, question: Question) -> str:
        """Pieces, turn, castling rights and en passant; not the moves before, nor the move counters."""
        return " ".join(question["fen"].split()[:4])

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["moves"]}

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """The moves are `meta`'s question, or the end of the prompt; None if no legal move mates after them."""
        meta = record.get("meta")
        given = meta.get("question") if isinstance(meta, Mapping) else None
        board = replayed(given if isinstance(given, str) else last_message(record.get("prompt")))
        return None if board is None or not any(True for _ in mates(board)) else question_at(board)


def attacker_weight(board: chess.Board, move: chess.Move) -> int:
    """The probability weight of an attacker's move: larger for captures, the queen, and squares near the king."""
    king = board.king(not board.turn)
    near = king is not None and chess.square_distance(king, move.to_square) <= 2
    queen = board.queens >> move.from_square & 1
    return 1 + 4 * (board.occupied >> move.to_square & 1) + 4 * near + 2 * queen


def defender_weight(board: chess.Board, move: chess.Move) -> int:
    """The probability weight of a defender's move: larger for moves of the king."""
    return 1 + 4 * (board.kings >> move.from_square & 1)


def seen_by_king(board: chess.Board) -> int:
    """The squares from which a piece could check the king that is not to move, as a bit mask."""
    king = board.king(not board.turn)
    assert king is not None
    straight = chess.BB_RANK_ATTACKS[king][chess.BB_RANK_MASKS[king] & board.occupied]
    straight |= chess.BB_FILE_ATTACKS[king][chess.BB_FILE_MASKS[king] & board.occupied]
    return (
        straight
        | chess.BB_DIAG_ATTACKS[king][chess.BB_DIAG_MASKS[king] & board.occupied]
        | (chess.BB_KNIGHT_ATTACKS[king])
    )


def mates(board: chess.Board, targets: int = chess.BB_ALL) -> Iterator[chess.Move]:
    """The legal moves to these squares that mate; the board is restored after each."""
    for move in board.generate_legal_moves(chess.BB_ALL, targets):
        board.push(move)
        mate = board.is_checkmate()
        board.pop()
        if mate:
            yield move


def question_at(board: chess.Board) -> Question:
    """The game so far, followed by the number of the next move if it is White's."""
    moves = chess.Board().variation_san(board.move_stack)
    return {"moves": f"{moves} {board.fullmove_number}." if board.turn else moves, "fen": board.fen()}


def move_named(board: chess.Board, text: str) -> chess.Move | None:
    """The one legal move with this name in standard algebraic notation; None for none, or several.

    The name may have more of the piece's origin than necessary, and omit its last sign.
    """
    if castling := _CASTLING.fullmatch(text):
        long = bool(castling[1] or castling[2])
        found = [move for move in board.generate_castling_moves() if board.is_queenside_castling(move) == long]
        return found[0] if found else None
    if (san := _SAN.fullmatch(text)) is None:
        return None
    letter, file, rank, takes, target, promotion = san.groups()
    if not letter and (rank or bool(file) != bool(takes)):  # a pawn's file is written if it captures
        return None
    start = board.pieces_mask(_PIECES[letter or "P"], board.turn)
    start &= chess.BB_FILES["abcdefgh".index(file)] if file else chess.BB_ALL
    start &= chess.BB_RANKS[int(rank) - 1] if rank else chess.BB_ALL
    found = [
        move
        for move in board.generate_legal_moves(start, chess.BB_SQUARES[chess.parse_square(target)])
        if move.promotion == _PIECES.get(promotion)
        and board.is_capture(move) == bool(takes)
        and not board.is_castling(move)
    ]
    return found[0] if len(found) == 1 else None


def replayed(text: str) -> chess.Board | None:
    """The board after the moves at the end of a text, from its last "1." on; None if one is illegal."""
    starts = [match.start() for match in _START.finditer(text)] if len(text) <= LONGEST else []
    board = chess.Board()
    for word in _NUMBER.sub(" ", text[starts[-1] :]).split() if starts else ["?"]:
        if (move := move_named(board, word)) is None:
            return None
        board.push(move)
    return board


def last_message(prompt: Any) -> str:
    """The text of a prompt that is text or a chat; "" for anything else."""
    last = prompt[-1] if isinstance(prompt, (list, tuple)) and prompt else prompt
    said = last.get("content") if isinstance(last, Mapping) else last
    return said if isinstance(said, str) else ""


TASK = CheckmateInOne()
