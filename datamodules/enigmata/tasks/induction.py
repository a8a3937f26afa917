"""Rule induction: examples of a hidden chain of operations, and a last input to apply it to.

Upstream has no generator for these; the operations are new. A puzzle is used only if all chains of at most as
many operations that explain the examples give the same last output, and no shorter chain explains them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from random import Random
from typing import Any, ClassVar, TypeAlias

from datamodules.enigmata.tasks.task import Question, Task

Value: TypeAlias = tuple[Any, ...]
Operation: TypeAlias = Callable[[Value], Value]
Pair: TypeAlias = tuple[Value, Value]


class Induction(Task):
    """A question is `{"text": the examples and the last input, "output": the last output}`.

    Attributes:
        operations: the operations of hidden chains.
    """

    operations: ClassVar[Sequence[Operation]]

    @abstractmethod
    def value(self, random: Random) -> Value:
        """A random input."""

    @abstractmethod
    def text(self, pairs: Sequence[Pair]) -> str:
        """The examples, and the last pair without its output."""

    @abstractmethod
    def written(self, output: Value) -> str:
        """An output as an answer."""

    @abstractmethod
    def parse(self, data: Any) -> Value | None:
        """An output from a record; None if it is invalid."""

    def draw(self, random: Random, steps: int, examples: int) -> tuple[Question, str]:
        """Generate this many examples of a chain of this many operations."""
        while True:
            chain = random.choices(self.operations, k=steps)
            inputs = [self.value(random) for _ in range(examples + 1)]
            pairs = [(value, reduce(lambda result, operation: operation(result), chain, value)) for value in inputs]
            outputs = [output for _, output in pairs]
            if all(outputs) and len({*outputs}) == len(outputs) and self.is_clear(pairs, steps):
                output = pairs[-1][1]
                return {"text": self.text(pairs), "output": plain(output)}, self.written(output)

    def is_clear(self, pairs: Sequence[Pair], steps: int) -> bool:
        """Whether all chains of this length that explain the examples agree on the last, and no shorter chain does."""
        *examples, (given, wanted) = pairs
        for chain in explanations(self.operations, examples, steps):
            if len(chain) < steps or applied(self.operations, chain, given) != wanted:
                return False
        return True

    def canonical(self, question: Question) -> Any:
        return question["text"]

    def meta(self, question: Question) -> dict[str, Any]:
        return {"question": question["text"]}

    def upstream_answer(self, question: Question, answer: str) -> Any:
        return question["output"]

    def question_of(self, record: Mapping[str, Any]) -> Question | None:
        """Upstream's `meta` for these tasks is not documented; if it has no text, the prompt is used."""
        meta = record.get("meta")
        text = meta.get("question") if isinstance(meta, Mapping) else None
        text = text if isinstance(text, str) else said_in(record.get("prompt"))
        output = self.parse(record.get("answer"))
        return None if output is None or not text.strip() else {"text": text, "output": plain(output)}


def explanations(operations: Sequence[Operation], examples: Sequence[Pair], most: int) -> Iterator[tuple[int, ...]]:
    """Chains of at most `most` operations, as indices, that map every input to its output; shorter ones first."""
    (given, wanted), *others = sorted(examples, key=lambda pair: len(pair[0]))  # the shortest is cheapest
    layer: dict[Value, list[tuple[int, ...]]] = {given: [()]}
    for length in range(1, most + 1):
        following: dict[Value, list[tuple[int, ...]]] = {}
        for value, chains in layer.items():
            for index, operation in enumerate(operations):
                result = operation(value)
                if length < most:
                    following.setdefault(result, []).extend((*chain, index) for chain in chains)
                if result == wanted:
                    longer = ((*chain, index) for chain in chains)
                    yield from (chain for chain in longer if all(applied(operations, chain, x) == y for x, y in others))
        layer = following


def applied(operations: Sequence[Operation], chain: Sequence[int], value: Value) -> Value:
    """Apply a chain to a value."""
    for index in chain:
        value = operations[index](value)
    return value


def plain(value: Any) -> Any:
    """Convert tuples to lists."""
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def said_in(prompt: Any) -> str:
    """The text of a prompt or of a chat's messages."""
    if isinstance(prompt, Sequence) and not isinstance(prompt, str):
        contents = [message.get("content") for message in prompt if isinstance(message, Mapping)]
        return "\n".join(content for content in contents if isinstance(content, str))
    return prompt if isinstance(prompt, str) else ""
