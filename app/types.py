"""The nouns of passk: what passes between the data, the engine, the estimators and the loss.

Axes, used everywhere:
    P  problems in a batch
    N  rollouts of each problem
    B  rows, one rollout each (P * N, or fewer once rows that teach nothing are left out)
    T  tokens of a response, padded to the longest
    k  the k of Pass@k
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from random import Random
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

Prompt: TypeAlias = str | tuple[dict[str, Any], ...]
"""Plain text, or the messages of a chat: each a `role` and a `content`, text or texts and pictures (`pictures.py`)."""

Vision: TypeAlias = dict[str, Tensor]
"""What a model is given of a prompt's pictures, by its own names, on the host; empty where there are none."""


class Unscored(float):
    """The score of an answer that a scorer can't judge: NaN, with the cause, so that it is left out instead of wrong.

    Args:
        cause: why there is no score, in a line.
    """

    cause: str

    def __new__(cls, cause: str) -> Unscored:
        score = super().__new__(cls, "nan")
        score.cause = cause
        return score


class Problem(ABC):
    """A frozen question that can score its own answer.

    Attributes:
        prompt: what the policy reads.
        key: canonical form; two problems with one key are the same problem.
        solution: a reference answer, itself scored 1; empty where none is known.
        label: the set it is reported under, such as "7x7".
        origin: where it was read, such as "train.jsonl, row 41", which is no part of what it is; "" of no file.
    """

    prompt: Prompt
    key: str
    solution: str
    label: str
    origin: str = ""

    @abstractmethod
    def score(self, response: str) -> float:
        """Judge a response: 1 passes, anything below fails.

        A total function: any string gives a number in [0, 1], or `Unscored`, within milliseconds, without an
        exception or a side effect, and never by running the text as code.
        """

    def extract_answer(self, response: str) -> str | None:
        """The answer that `score` judges, in a canonical form: two responses with equal answers have equal texts.

        What answers are compared by, for their diversity and for the majority vote. The stripped response by default.
        Like `score` it never raises and takes time linear in the text; None where the response holds no answer.
        """
        return response.strip() or None

    @property
    def identity(self) -> str:
        """What a resumed run must find again: the problem and its answer."""
        return f"{self.key}\n{self.solution}"

    def demonstrate(self, random: Random) -> str:
        """A correct answer to imitate; drawn at random where several are equally good."""
        return self.solution

    @property
    def groups(self) -> tuple[str, ...]:
        """The sets it is reported under: its label, and wider ones."""
        return (self.label,)

    def draw(self, response: str) -> str | None:
        """The problem with the response drawn into it, as fixed-width text, where that helps a reader."""
        return None


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn.

    Args:
        temperature: divides the logits; 0 takes the most probable token.
        top_p: keep the smallest set of tokens that holds this much probability.
        top_k: keep this many of the most probable tokens; 0 keeps all.
        max_new_tokens: a completion that reaches it without a stop token is truncated.
        stop_tokens: further tokens, by name, that end a completion as the end-of-sequence token does.

    Recorded log-probabilities are those of the whole distribution at this temperature, which is
    what training recomputes. They describe the samples only where `top_p` is 1 and `top_k` is 0,
    so train there; the paper's top_p of 0.95 is an evaluation setting (Appendix A.2).
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 64
    stop_tokens: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise ValueError(f"temperature={self.temperature} must be at least 0")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p={self.top_p} must lie in (0, 1]")
        if self.top_k < 0:
            raise ValueError(f"top_k={self.top_k} must be at least 0 (0 keeps every token)")
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens={self.max_new_tokens} must be at least 1")

    @property
    def is_whole(self) -> bool:
        """Whether samples come from the whole distribution, which their log-probabilities then describe."""
        return self.temperature > 0 and self.top_p == 1 and self.top_k == 0


@dataclass(frozen=True)
class Request:
    """One problem put to an engine: its prompt in tokens `[L]`, the sentence that seeds its samples, its pictures."""

    problem: Problem
    tokens: Tensor
    seed: str
    vision: Vision = field(default_factory=dict)


@dataclass(frozen=True)
class Completion:
    """One sampled answer.

    Attributes:
        text: the answer as the problem scores it, without its stop token.
        tokens: `[T]`, the stop token included: ending is a decision of the policy and is trained.
        finish: "stop", or "length" where `max_new_tokens` cut it off.
        logprobs: `[T]`, log-probability of each token, or None where it was not sampled (a demonstration).
        entropies: `[T]`, entropy of each token's distribution in nats, or None.
        old: `[T]`, log-probability of each token by the trainer, before it learnt from them; None where
            `logprobs` are the trainer's own, or nobody asked.
        answer: what the problem's `extract_answer` gives, shortened to a digest where it is long (`scoring.py`); None
            where the response holds no answer, is truncated or unscored, or is not scored yet.
    """

    text: str
    tokens: Tensor
    finish: Literal["stop", "length"]
    logprobs: Tensor | None = None
    entropies: Tensor | None = None
    old: Tensor | None = None
    answer: str | None = None

    def to(self, device: torch.device | str) -> Completion:
        """The same with its tensors there."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)})


@dataclass
class RolloutBatch:
    """P problems, and N completions of each once they are sampled: what a Lightning batch is.

    The data module makes it of problems alone; the rollout callback fills in the rest.

    Attributes:
        problems: P of them.
        prompts: the tokens `[L]` of each problem's prompt, unpadded.
        completions: P lists of N.
        rewards: `[P, N]`, in [0, 1]; 1 passes. NaN where the scorer gave none (`scoring.py`): such an
            answer counts as one that was not drawn.
        temperature: at which the completions were sampled.
        on_policy: whether the policy as it now stands sampled them.
        explore: `[P]`, which problems are to be explored rather than exploited; None where nobody asked.
        ratios: `[P, N]`, how much likelier the policy finds each response than when it was sampled
            (pi_now / pi_sampled, the product over its tokens); None where they are all 1.
        vision: P, of each prompt's pictures; empty where no prompt has any.
    """

    problems: list[Problem]
    prompts: list[Tensor] = field(default_factory=list)
    completions: list[list[Completion]] = field(default_factory=list)
    rewards: Tensor = field(default_factory=lambda: torch.empty(0, 0))
    temperature: float = 1.0
    on_policy: bool = False
    explore: Tensor | None = None
    ratios: Tensor | None = None
    vision: list[Vision] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.problems)

    @property
    def passed(self) -> Tensor:
        """[P, N], bool"""
        return self.rewards >= 1

    @property
    def scored(self) -> Tensor:
        """Which answers have a reward.  [P, N], bool"""
        return ~self.rewards.isnan()

    @property
    def rows(self) -> list[Completion]:
        """The P * N completions, problem by problem."""
        return [completion for group in self.completions for completion in group]

    @property
    def lengths(self) -> Tensor:
        """Tokens of each response.  [P, N]"""
        return self._grouped([len(row.tokens) for row in self.rows])

    @property
    def truncated(self) -> Tensor:
        """Which responses ran into `max_new_tokens`.  [P, N], bool"""
        return self._grouped([row.finish == "length" for row in self.rows])

    @property
    def entropies(self) -> Tensor:
        """Mean token entropy of each problem over its responses, in nats.  [P], all NaN if one has none"""
        values, lengths = self.padded("entropies"), self.lengths
        if values is None:
            return torch.full((len(self),), float("nan"), device=lengths.device)
        return values.sum((1, 2)).to(lengths.device) / lengths.sum(-1)

    def padded(self, name: Literal["tokens", "logprobs", "entropies", "old"]) -> Tensor | None:
        """What the completions hold of each token, 0 after their ends.  [P, N, T]; None where one holds nothing"""
        values = [getattr(row, name) for row in self.rows]
        if any(value is None for value in values):
            return None
        flat, mask = torch.cat(values), self.mask  # row by row would be three operations for each
        return flat.new_zeros(mask.shape).masked_scatter(mask.to(flat.device), flat)

    @property
    def mask(self) -> Tensor:
        """True on the tokens of the responses, their stop tokens included.  [P, N, T], bool"""
        lengths = self.lengths[..., None]
        return torch.arange(int(lengths.max()), device=lengths.device) < lengths

    def experience(self, advantages: Tensor) -> Experience:
        """Flatten once, to rows of tokens; unscored answers make none.  [P, N] or [P, N, T] -> P * N rows"""
        tokens, logprobs, entropies, old = map(self.padded, ("tokens", "logprobs", "entropies", "old"))
        assert tokens is not None
        mask = self.mask.to(tokens.device)
        of_tokens = advantages if advantages.ndim == 3 else advantages[..., None]
        rows = Experience(
            prompts=self.prompts,
            problem=torch.arange(len(self), device=tokens.device).repeat_interleave(mask.shape[1]),
            tokens=tokens.flatten(0, 1),
            mask=mask.flatten(0, 1),
            advantages=(of_tokens.to(tokens.device) * mask).flatten(0, 1),
            logprobs=None if logprobs is None else logprobs.flatten(0, 1),
            entropies=None if entropies is None else entropies.flatten(0, 1),
            old=None if old is None else old.flatten(0, 1),
            temperature=self.temperature,
            vision=self.vision,
        )
        scored = self.scored.flatten()
        return rows if scored.all() else rows.select(scored.to(tokens.device))

    def by_scored(self) -> Iterator[tuple[Tensor, RolloutBatch]]:
        """The batch in parts whose problems have equally many scored answers, the other answers left out.

        Yields the places [p] of a part's problems and the part, p problems with m rollouts each. A
        problem without a scored answer is in none.
        """
        if self.scored.all():
            yield torch.arange(len(self), device=self.rewards.device), self
            return
        counts = self.scored.sum(-1)  # [P]
        for count in counts.unique().tolist():
            places = (counts == count).nonzero()[:, 0]
            if count:
                yield places, self.select(places, self.scored[places])

    def select(self, places: Tensor, kept: Tensor | None = None) -> RolloutBatch:
        """Some of the problems, and all of their rollouts or equally many of each.  [p] indices, [p, N] bool"""
        kept = torch.ones_like(self.scored[places]) if kept is None else kept
        grouped = lambda values: values[places][kept].view(len(places), -1)  # noqa: E731
        return replace(
            self,
            problems=[self.problems[place] for place in places.tolist()],
            prompts=[self.prompts[place] for place in places.tolist()] if self.prompts else [],
            vision=[self.vision[place] for place in places.tolist()] if self.vision else [],
            completions=[
                [row for row, keep in zip(self.completions[place], own, strict=True) if keep]
                for place, own in zip(places.tolist(), kept.tolist(), strict=True)
            ],
            rewards=grouped(self.rewards),
            explore=None if self.explore is None else self.explore[places],
            ratios=None if self.ratios is None else grouped(self.ratios),
        )

    def replace(self, places: Tensor, other: RolloutBatch, chosen: Tensor) -> None:
        """Put problems of another batch, with all that belongs to them, in these places.  [p] indices, twice"""
        for place, index in zip(places.tolist(), chosen.tolist(), strict=True):
            for name in ("problems", "prompts", "vision", "completions"):
                if getattr(self, name):
                    getattr(self, name)[place] = getattr(other, name)[index]
        self.rewards[places] = other.rewards[chosen]

    def to(self, device: torch.device | str, **kwargs: Any) -> RolloutBatch:
        """Lightning's hook; completions are sampled where the policy is and need no move."""
        self.rewards = self.rewards.to(device, **kwargs)
        return self

    def _grouped(self, values: list[Any]) -> Tensor:
        return torch.as_tensor(values, device=self.rewards.device).view(len(self), -1)


@dataclass(frozen=True)
class Experience:
    """Sampled responses as rows of tokens, each with its advantage: what the loss is taken on.

    Attributes:
        prompts: the tokens `[L]` of each problem's prompt, unpadded.
        problem: `[B]`, the prompt that each row answers.
        tokens: `[B, T]`.
        mask: `[B, T]`, bool, true on the tokens of the response, its stop token included.
        advantages: `[B, T]`, 0 on padding; the same on all tokens of a row unless the estimator tells them apart.
        logprobs: `[B, T]` as sampled, or None where the rows were not sampled.
        entropies: `[B, T]` as sampled, in nats, or None.
        old: `[B, T]`, log-probabilities by the trainer's own forward pass before the first update of
            the iteration; None where nothing needs them, and `logprobs` stand for them.
        reference: `[B, T]`, log-probabilities by the reference policy, or None.
        chosen: `[B, T]`, bool, the tokens that the loss singled out in the whole update, or None.
        temperature: of the distribution the rows were sampled from.
        vision: of each prompt's pictures; empty where no prompt has any.
    """

    prompts: list[Tensor]
    problem: Tensor
    tokens: Tensor
    mask: Tensor
    advantages: Tensor
    logprobs: Tensor | None = None
    entropies: Tensor | None = None
    old: Tensor | None = None
    reference: Tensor | None = None
    chosen: Tensor | None = None
    temperature: float = 1.0
    vision: list[Vision] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.problem)

    @property
    def num_tokens(self) -> int:
        return int(self.mask.sum())

    @property
    def sights(self) -> list[Vision]:
        """What the model is given of each prompt's pictures, nothing said as nothing.  P"""
        return self.vision or [{} for _ in self.prompts]

    def select(self, rows: Tensor) -> Experience:
        """The given rows alone, cropped to the longest of them.  rows: [B], indices or bool"""
        mask = self.mask[rows]
        width = int(mask.sum(-1).max()) if len(mask) else 0
        of_tokens = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _NOT_OF_TOKENS}
        cropped = {name: value[rows, :width] for name, value in of_tokens.items() if value is not None}
        return replace(self, problem=self.problem[rows], **cropped)

    def informative(self) -> Experience:
        """Without the rows of zero advantage, which add nothing to a policy gradient."""
        return self.select(self.advantages.ne(0).any(-1))

    def split(self, num_parts: int) -> Iterator[Experience]:
        """So many consecutive parts with as many problems each, or one more: the rows of one optimizer step each."""
        bounds = [len(self.prompts) * part // num_parts for part in range(num_parts + 1)]
        for first, last in pairwise(bounds):
            yield self.select((self.problem >= first) & (self.problem < last))

    def microbatches(self, token_budget: int, share_prompts: bool = True) -> Iterator[Experience]:
        """Parts of at most `token_budget` tokens in a forward pass; a row that alone exceeds it makes a part.

        Where a problem's rows share the forward pass of their prompt, it counts once in a part, and a
        problem is split only where it alone exceeds the budget. Where each row is computed with its
        prompt, padding counts too.
        """
        starts = self._packed_starts(token_budget) if share_prompts else self._padded_starts(token_budget)
        for first, last in pairwise([*starts, len(self)]):
            yield self.select(torch.arange(first, last, device=self.tokens.device))

    def _packed_starts(self, token_budget: int) -> Iterator[int]:
        """The rows at which the parts begin that hold prompts once and nothing twice."""
        lengths, problems = self.mask.sum(-1).tolist(), self.problem.tolist()
        size = Counter[int]()  # tokens of all of a problem's rows
        for problem, length in zip(problems, lengths, strict=True):
            size[problem] += length
        used, previous = token_budget + 1, -1  # no room yet: the first row begins a part
        for row, (problem, length) in enumerate(zip(problems, lengths, strict=True)):
            prompt, begins = len(self.prompts[problem]), problem != previous
            whole = prompt + size[problem]
            needs = (whole if whole <= token_budget else prompt + length) if begins else length
            if used + needs > token_budget:
                yield row
                used, begins = 0, True
            used, previous = used + length + (prompt if begins else 0), problem

    def _padded_starts(self, token_budget: int) -> Iterator[int]:
        """The rows at which the parts begin that hold a row for each response, padded to the widest."""
        rows, widest = 0, token_budget + 1  # no room yet
        for row, (problem, length) in enumerate(zip(self.problem.tolist(), self.mask.sum(-1).tolist(), strict=True)):
            width = len(self.prompts[problem]) + length
            if (rows + 1) * max(widest, width) > token_budget:
                yield row
                rows, widest = 0, 0
            rows, widest = rows + 1, max(widest, width)


_NOT_OF_TOKENS = ("prompts", "problem", "temperature", "vision")
