"""Rows at random, and losses, penalties and corrections once more: a token at a time, with ifs for mins and clips."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, prod

import torch
from torch import Tensor

from app.types import Experience

VOCABULARY = 5
LENGTHS = [7, 1, 3, 7, 5, 2]


def random_rows(seed: int = 0) -> tuple[Experience, Tensor]:
    """Six ragged rows of three problems in double precision, the first without advantage, and logits [B, T, V].

    Sampled and old log-probabilities lie up to 0.8 from those of the logits, a few of them further.
    """
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.rand(*shape, generator=generator, dtype=torch.double)  # noqa: E731
    logits = 4 * draw(len(LENGTHS), max(LENGTHS), VOCABULARY)
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    tokens = torch.randint(VOCABULARY, mask.shape, generator=generator)
    logprobs = logits.log_softmax(-1).gather(-1, tokens[..., None])[..., 0] * mask
    old = (logprobs - 1.6 * draw(*mask.shape) + 0.8) * mask
    old[3, 2:4] -= 1.5  # far likelier than they were
    advantages = (3 * draw(len(mask), 1) - 1.5) * (0.5 + draw(*mask.shape)) * mask
    advantages[0], advantages[3] = 0, -advantages[3].abs()
    rows = Experience(
        prompts=[torch.tensor([1])] * 3,
        problem=torch.tensor([0, 0, 1, 1, 2, 2]),
        tokens=tokens,
        mask=mask,
        advantages=advantages,
        sampler_logprobs=(old + 0.6 * draw(*mask.shape) - 0.3) * mask,
        entropies=draw(*mask.shape) * mask,
        old_logprobs=old,
        reference_logprobs=(logprobs + 2 * draw(*mask.shape) - 1) * mask,
    )
    return rows, logits.requires_grad_()


LOGPROBS = ("sampler_logprobs", "old_logprobs", "reference_logprobs")


class Row:
    """One response: scalars of autograd for what the policy says, floats for all else."""

    def __init__(self, rows: Experience, logits: Tensor, b: int) -> None:
        self.length = int(rows.mask[b].sum())
        self.advantages = self._numbers(rows.advantages[b])
        self.sampled, self.old, self.reference = (
            self._numbers(None if values is None else values[b])
            for values in (rows.sampler_logprobs, rows.old_logprobs, rows.reference_logprobs)
        )
        self.chosen = self._numbers((rows.mask if rows.token_mask is None else rows.token_mask)[b])
        self.logprobs: list[Tensor] = []
        self.entropies: list[Tensor] = []
        for t, token in enumerate(rows.tokens[b].tolist()[: self.length]):
            everything = [logit - logits[b, t].exp().sum().log() for logit in logits[b, t]]
            self.logprobs.append(everything[token])
            self.entropies.append(-torch.stack([each.exp() * each for each in everything]).sum())

    def _numbers(self, values: Tensor | None) -> list[float]:
        return [] if values is None else values.tolist()[: self.length]

    def ratio(self, t: int) -> Tensor:
        return (self.logprobs[t] - self.old[t]).exp()


TokenLoss = Callable[[Row, int], Tensor]


def clip_loop(ratio: Tensor, advantage: float, low: float, high: float) -> Tensor:
    value = ratio.item()
    if (advantage > 0 and value > 1 + high) or (advantage < 0 and value < 1 - low):
        return torch.tensor(-advantage * (1 + high if advantage > 0 else 1 - low), dtype=torch.double)
    return -advantage * ratio


def clipped(low: float = 0.2, high: float = 0.28, dual: float = float("inf")) -> TokenLoss:
    def loss(row: Row, t: int) -> Tensor:
        ratio, advantage = row.ratio(t), row.advantages[t]
        if advantage < 0 and ratio.item() > dual:
            return torch.tensor(-dual * advantage, dtype=torch.double)
        return clip_loop(ratio, advantage, low, high)

    return loss


def reinforce(row: Row, t: int) -> Tensor:
    return -row.advantages[t] * row.logprobs[t]


def gspo(row: Row, t: int) -> Tensor:
    ratio = torch.stack([row.ratio(each) for each in range(row.length)]).prod() ** (1 / row.length)
    return clip_loop(ratio, row.advantages[t], 0.1, 0.2)


def cispo(row: Row, t: int) -> Tensor:
    weight = row.ratio(t).item()
    return -(0.5 if weight < 0.5 else 1.3 if weight > 1.3 else weight) * row.advantages[t] * row.logprobs[t]


def sapo(row: Row, t: int) -> Tensor:
    tau = 1.0 if row.advantages[t] > 0 else 1.05
    return -row.advantages[t] * 4 / tau / (1 + (-tau * (row.ratio(t) - 1)).exp())


def kl_cov(row: Row, t: int) -> Tensor:
    loss = -row.advantages[t] * row.ratio(t)
    gap = row.logprobs[t] - row.old[t]
    return loss + 0.7 * (gap if gap.item() > 0 else -gap) if row.chosen[t] else loss


def filtered(loss: TokenLoss) -> TokenLoss:
    return lambda row, t: loss(row, t) if row.chosen[t] else torch.tensor(0.0, dtype=torch.double)


Weight = Callable[[Row, int], float]

# -- corrections: rho = exp(old - sampled) ---------------------------------------------------------


def rhos(row: Row) -> list[float]:
    return [exp(old - sampled) for old, sampled in zip(row.old, row.sampled, strict=True)]


def within(value: float, low: float, high: float) -> float:
    return value if low <= value <= high else 0.0


CORRECTIONS: dict[str, Weight] = {
    "TokenTIS": lambda row, t: min(rhos(row)[t], 1.1),
    "SequenceTIS": lambda row, t: min(prod(rhos(row)), 1.1),
    "IcePop": lambda row, t: within(rhos(row)[t], 0.9, 1.2),
    "SequenceMIS": lambda row, t: within(prod(rhos(row)), 0.8, 1.1),
    "GeometricMIS": lambda row, t: float(0.95 <= prod(rhos(row)) ** (1 / row.length) <= 1.05),
}

# -- penalties: the gradient in the value of a product with what is detached -----------------------


def k1(row: Row, t: int) -> Tensor:
    gap = row.logprobs[t] - row.reference[t]
    return gap.item() + gap.item() * (gap - gap.item())


def k2(row: Row, t: int) -> Tensor:
    return (row.logprobs[t] - row.reference[t]) ** 2 / 2


def k3(row: Row, t: int) -> Tensor:
    ratio = (row.reference[t] - row.logprobs[t]).exp()  # ref / pi
    return ratio - 1 - ratio.log()


# -- reductions ------------------------------------------------------------------------------------

REDUCTIONS: dict[str, Weight] = {
    "TokenMean": lambda row, t: 1.0,
    "SequenceMean": lambda row, t: 1 / row.length,
    "ConstantLength": lambda row, t: 1 / 9,
}


def looped(
    rows: Experience,
    logits: Tensor,
    loss: TokenLoss,
    reduction: Weight = REDUCTIONS["TokenMean"],
    penalty: TokenLoss | None = None,
    coefficient: float = 0.0,
    bonus: float = 0.0,
    correction: Weight | None = None,
) -> Tensor:
    """The sum over all tokens of all rows."""
    total = torch.zeros((), dtype=torch.double)
    for row in (Row(rows, logits, b) for b in range(len(rows))):
        for t in range(row.length):
            value = loss(row, t) * (1.0 if correction is None else correction(row, t)) - bonus * row.entropies[t]
            if penalty is not None:
                value = value + coefficient * penalty(row, t)
            total = total + reduction(row, t) * value
    return total
