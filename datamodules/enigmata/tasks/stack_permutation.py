"""Stack permutation: push and pop the numbers of a sequence to get another one, or answer that it is impossible."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from json import dumps
from random import Random
from typing import Any, ClassVar, TypeAlias

from datamodules.enigmata.tasks.answers import bare, said
from datamodules.enigmata.tasks.task import Levels, Question, Task

Steps: TypeAlias = list[tuple[str, int]]
"""("push" or "pop", number) for each step."""

POSSIBLE = "The output sequence is a valid stack permutation."
IMPOSSIBLE = "The output sequence is not a valid stack permutation."
LARGEST = 9999
"""The largest number in a record."""

_STEP = re.compile(r"(push|pop)(?:\(([0-9]{0,4})\))?", re.ASCII | re.IGNORECASE)
_BESIDES = frozenset("[](){}\"'`,;->")


class StackPermutation(Task):
    """A question is `{"input": numbers, "output": the same in another order}`. Each output has at most one way."""

    name = "stack_permutation"
    levels: ClassVar[Levels] = {
        "easy": ({"least": 4, "most": 5},),
        "medium": ({"least": 6, "most": 7},),
        "hard": ({"least": 8, "most": 9},),
    }

    def draw(self, random: Random, least: int, most: int) -> tuple[Question, str]:
        """`least` to `most` numbers; in 60 % of the draws the output is a possible one, else a random order."""
        numbers = list(range(1, random.randint(least, most) + 1))
        pushed = random.sample(numbers, len(numbers))
        output = popped(random, pushed) if random.random() < 0.6 else random.sample(numbers, len(numbers))
        steps = steps_to(pushed, output)
        words = None if steps is None else [f"Push({number})" if kind == "push" else "Pop()" for kind, number in steps]
        return {"input": pushed, "output": output}, dumps(IMPOSSIBLE if words is None else words)

    def ask(self, question: Question) -> str:
        return (
            f"A stack is empty at first. Push takes the next number of the input, from left to right, and puts it on "
            f"top of the stack; Pop takes the top of the stack and appends it to the output. Every number is pushed "
            f"once and popped once, in any interleaving.\n\nInput: {question['input']}\nWanted output: "
            f"{question['output']}\n\nIf pushes and pops can make this output, give all of them in order in a fenced "
            f'code block, as a list such as `["Push(2)", "Push(1)", "Pop()", "Pop()"]` (input [2, 1], output [1, 2]). '
            f'If they can\'t, write `"{IMPOSSIBLE}"` in a fenced code block.'
        )

    def judge(self, question: Question, answer: str) -> bool:
        right = steps_to(question["input"], question["output"])
        if said(answer, IMPOSSIBLE) or right is None:
            return said(answer, IMPOSSIBLE) and right is None
        text = "".join(bare(answer).split())
        steps = [(kind.lower(), number) for kind, number in _STEP.findall(text)]
        if len(steps) != len(right) or set(_STEP.sub("", text)) - _BESIDES:
            return False
        return all(step in accepted for step, accepted in zip(steps, map(spellings, right), strict=True))

    def canonical(self, question: Question) -> Any:
        """The output as indices of the input, since the numbers themselves do not matter."""
        return [question["input"].index(number) for number in question["output"]]

    def meta(self, question: Question) -> dict[str, Any]:
        return {"input_sequence": question["input"], "output_sequence": question["output"]}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        return IMPOSSIBLE if steps_to(question["input"], question["output"]) is None else POSSIBLE

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        meta = record.get("meta")
        pushed, output = [
            meta.get(name) if isinstance(meta, Mapping) else None for name in ("input_sequence", "output_sequence")
        ]
        for numbers in (pushed, output):
            if not isinstance(numbers, list) or any(type(number) is not int for number in numbers):
                return None
            if not numbers or len({*numbers}) != len(numbers) or not 0 <= min(numbers) <= max(numbers) <= LARGEST:
                return None
        assert isinstance(pushed, list) and isinstance(output, list)
        return {"input": [*pushed], "output": [*output]} if sorted(pushed) == sorted(output) else None


def spellings(step: tuple[str, int]) -> list[tuple[str, str]]:
    """The allowed forms of a step: a pop may name its number or not."""
    kind, number = step
    return [(kind, str(number)), *([("pop", "")] if kind == "pop" else [])]


def steps_to(pushed: Sequence[int], output: Sequence[int]) -> Steps | None:
    """The only way to this output, None if there is none: the wanted number is popped when it is on top.

    A number that is pushed before this pop would be popped earlier.
    """
    steps: Steps = []
    stack: list[int] = []
    wanted = iter(output)
    following = next(wanted)
    for number in pushed:
        stack.append(number)
        steps.append(("push", number))
        while stack and stack[-1] == following:
            steps.append(("pop", stack.pop()))
            following = next(wanted, None)
    return None if stack else steps


def popped(random: Random, pushed: Sequence[int]) -> list[int]:
    """One of all outputs, with equal probability."""
    waiting, stack, output = list(pushed), [], []
    while waiting or stack:
        ways = outputs(len(waiting) - 1, len(stack) + 1) if waiting else 0
        if random.randrange(outputs(len(waiting), len(stack))) < ways:
            stack.append(waiting.pop(0))
        else:
            output.append(stack.pop())
    return output


@cache
def outputs(waiting: int, stacked: int) -> int:
    """The number of outputs with `waiting` numbers to push and `stacked` on the stack."""
    if not waiting:
        return 1
    return outputs(waiting - 1, stacked + 1) + (outputs(waiting, stacked - 1) if stacked else 0)


TASK = StackPermutation()
