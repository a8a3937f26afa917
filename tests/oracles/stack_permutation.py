"""Stack permutations: the steps played; a forbidden triple, not the stack, tells what is impossible."""

from __future__ import annotations

import re

from datamodules.enigmata.tasks.task import Question
from tests.oracles.reading import inner, says

NEVER = "The output sequence is not a valid stack permutation."


def right(question: Question, answer: str) -> bool:
    if says(answer, NEVER):
        return not possible(question)
    waiting, stack, output, text = list(question["input"]), [], [], "".join(inner(answer).lower().split())
    while text:
        if step := re.match(r"push\((0|[1-9][0-9]{0,3})\)", text):
            if not waiting or waiting[0] != int(step[1]):
                return False
            stack.append(waiting.pop(0))
        elif step := re.match(r"pop(\((0|[1-9][0-9]{0,3})?\))?", text):
            if not stack or (step[2] and int(step[2]) != stack[-1]):
                return False
            output.append(stack.pop())
        elif not (step := re.match(r"[]\[(){}\"'`,;>-]", text)):
            return False
        text = text[step.end() :]
    return output == question["output"]


def possible(question: Question) -> bool:
    """Whether no later number comes out before two earlier ones that then come out in their order."""
    order = [question["input"].index(number) for number in question["output"]]
    triples = [(a, b, c) for i, a in enumerate(order) for j, b in enumerate(order[i:], i) for c in order[j:]]
    return not any(b < c < a for a, b, c in triples)
