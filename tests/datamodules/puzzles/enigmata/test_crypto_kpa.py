"""Known plaintexts: an attack that reads the prompt alone and tries every cipher."""

from __future__ import annotations

import re
from itertools import product
from random import Random

from datamodules.puzzles.enigmata.ciphers import ALPHABET, prepared
from datamodules.puzzles.enigmata.crypto_kpa import TASK, rank
from datamodules.puzzles.enigmata.task import DIFFICULTIES, Question
from tests.datamodules.puzzles.enigmata.contract import check_contract, check_corrupted, check_distinct, draws

NUMBER = {letter: number for number, letter in enumerate(ALPHABET)}


def units(known: str, encrypted: str, text: str, size: int) -> set[str]:
    """Where equal units are encrypted alike, and their mirror images too: look each of them up."""
    book: dict[str, set[str]] = {}
    for i in range(0, len(known), size):
        for step in (1, -1):
            book.setdefault(encrypted[i : i + size][::step], set()).add(known[i : i + size][::step])
    return {"".join(parts) for parts in product(*(book.get(text[i : i + size], ()) for i in range(0, len(text), size)))}


def keystreams(known: str, encrypted: str, text: str) -> set[str]:
    """Vigenere and autokey with keywords of up to eight letters."""
    added = "".join(ALPHABET[(NUMBER[b] - NUMBER[a]) % 26] for a, b in zip(known, encrypted, strict=True))
    found = set()
    for size, itself in product(range(1, 9), (False, True)):
        if added == (added[:size] + known if itself else added[:size] * len(known))[: len(known)]:
            plain = ""
            for i, letter in enumerate(text):
                shift = added[i] if i < size else plain[i - size] if itself else added[i % size]
                plain += ALPHABET[(NUMBER[letter] - NUMBER[shift]) % 26]
            found.add(plain)
    return found


def zigzags(known: str, encrypted: str, text: str) -> set[str]:
    def order(length: int, rails: int) -> list[int]:
        rows = ([*range(rails), *range(rails - 2, 0, -1)] * length)[:length]
        return sorted(range(length), key=lambda i: (rows[i], i))

    found = set()
    for rails in range(2, 10):
        if "".join(known[i] for i in order(len(known), rails)) == encrypted:
            found.add("".join(letter for _, letter in sorted(zip(order(len(text), rails), text, strict=True))))
    return found


def matrices(known: str, encrypted: str, text: str, size: int) -> set[str]:
    """Hill: for each row all 26 ** size guesses, then for each block all 26 ** size plaintexts."""
    if len(known) % size or len(text) % size:
        return set()
    blocks = [[NUMBER[letter] for letter in known[i : i + size]] for i in range(0, len(known), size)]
    rows = []
    for place in range(size):
        guesses = list(product(range(26), repeat=size))
        for block, value in zip(blocks, encrypted[place::size], strict=True):
            guesses = [guess for guess in guesses if sum(map(int.__mul__, guess, block)) % 26 == NUMBER[value]]
        rows.append(guesses)
    if not all(rows):
        return set()
    assert all(len(guesses) == 1 for guesses in rows)
    plain = ""
    for i in range(0, len(text), size):
        target = [NUMBER[letter] for letter in text[i : i + size]]
        (block,) = (
            block
            for block in product(range(26), repeat=size)
            if all(sum(map(int.__mul__, row[0], block)) % 26 == value for row, value in zip(rows, target, strict=True))
        )
        plain += "".join(ALPHABET[number] for number in block)
    return {plain}


def attacked(prompt: str) -> set[str]:
    """Every plaintext that some cipher and key agree on with the pair."""
    encrypted, text = re.findall(r"Ciphertext: ([A-Z]+)", prompt)
    known = re.findall(r"Plaintext: ([A-Z]+)", prompt)[0]
    found = keystreams(known, encrypted, text) | zigzags(known, encrypted, text)
    alike = len(set(zip(known, encrypted, strict=True))) == len(set(known))
    found |= units(known, encrypted, text, 1) if alike else units(known, encrypted, text, 2)
    return found | matrices(known, encrypted, text, 2) | matrices(known, encrypted, text, 3)


def right(question: Question, answer: str) -> bool:
    text = re.sub(r"[\s\"'`.,_-]", "", answer).upper()
    playfair = question["key"]["method"] == "Playfair Cipher"
    if playfair and re.fullmatch("[A-Z]+", text):
        text = prepared(text, question["key"])
    size = len(question["key"].get("matrix", [0]))
    return text == question["plaintext"] or (size > 1 and text + "X" * (-len(text) % size) == question["plaintext"])


def test_contract() -> None:
    check_contract(TASK)


def test_distinct() -> None:
    check_distinct(TASK)


def test_corrupted_answers() -> None:
    check_corrupted(TASK, right)


def test_the_prompt_is_enough() -> None:
    """Each cipher of each difficulty has one answer, whatever cipher the solver believes in."""
    for difficulty in DIFFICULTIES:
        for settings in TASK.levels[difficulty]:
            drawn = next(pair for seed in range(99) if (pair := TASK.draw(Random(seed), **settings)) is not None)
            assert attacked(TASK.ask(drawn[0])) == {drawn[1]}, drawn[0]


def test_the_text_is_not_in_the_pair() -> None:
    for problem in draws(TASK, 20):
        assert problem.answer not in problem.question["hint"][0]
        assert 78 <= len(problem.question["hint"][0]) <= 150


def test_rank() -> None:
    assert rank([[1, 0], [0, 0], [1, 1]], 2) == 2
    assert rank([[2, 4], [1, 2], [3, 6]], 13) == 1
    assert rank([[13, 26]], 13) == rank([], 2) == 0


def test_hostile() -> None:
    for problem in draws(TASK, 6):
        for answer in (problem.answer * 500, problem.answer + "?", "\u0130" + problem.answer, "J" * 10_000, "X"):
            assert not TASK.judge(problem.question, answer)
        assert TASK.judge(problem.question, " ".join(problem.answer.lower()))


def test_records() -> None:
    for problem in draws(TASK, 12):
        record = {"meta": TASK.meta(problem.question), "answer": TASK.upstream_answer(problem.question, problem.answer)}
        assert TASK.question_of(record) == problem.question
        affine = {**record["meta"], "rationale": "Encryption method: Affine cipher\na: 3, b: 25"}
        question = TASK.question_of({**record, "meta": affine})
        assert question is not None
        assert question["key"] == {"method": "Affine Cipher", "a": 3, "b": 25}
        for broken in ({"question": "ABC"}, {"question": 3}, {"rationale": None}, {"rationale": {"method": []}}):
            assert TASK.question_of({**record, "meta": {**record["meta"], **broken}}) is None
