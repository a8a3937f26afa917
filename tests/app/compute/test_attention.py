"""Packed rows: their layout, what each token sees, and what the architecture may not do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from app.compute.attention import (
    NAME,
    PackedRow,
    SharedPrefixCache,
    attending,
    packed,
    pad_prompts,
    shared_prefix_attention,
)
from app.policy import Policy
from app.types import Experience
from tests.app.architectures import build, draw_rows, gradients, plain_scores

LAYOUTS = {
    "ragged": ([9, 1, 4], [0, 0, 1, 1, 2], [6, 2, 1, 6, 3]),
    "prompts of one token": ([1, 1], [0, 0, 1], [3, 1, 5]),
    "one row": ([5], [0], [4]),
    "a prompt without a row": ([3, 7, 2], [0, 2, 2], [2, 5, 1]),
    "many rows of one prompt": ([6], [0] * 7, [1, 2, 3, 4, 3, 2, 1]),
    "problems in turn": ([4, 2], [0, 1, 0, 1], [2, 3, 4, 1]),
    "responses of one token": ([3, 2], [0, 0, 1], [1, 1, 1]),
}


def pack(rows: Experience) -> PackedRow:
    return PackedRow.pack(rows.prompts, rows.problem, rows.tokens, rows.mask)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_token_stands_once(layout: str) -> None:
    prompts, problem, responses = LAYOUTS[layout]
    rows = draw_rows(prompts, problem, responses)
    row = pack(rows)
    used = sorted(set(problem))
    assert row.input_ids.shape == row.position_ids.shape == (1, sum(prompts[p] - 1 for p in used) + sum(responses))
    assert row.targets.tolist() == rows.tokens[rows.mask].tolist()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_segments_are_the_ordinary_rows(layout: str) -> None:
    """What a response's tokens see, in order, is [prompt, response] with positions from 0."""
    rows = draw_rows(*LAYOUTS[layout])
    row = pack(rows)
    for b in range(len(rows)):
        prompt, response = rows.prompts[int(rows.problem[b])], rows.tokens[b][rows.mask[b]]
        prefix = row.prefix.places[row.problem[b]][row.prefix.mask[row.problem[b]]]
        places = torch.cat([prefix, row.segment.places[b][row.segment.mask[b]]])
        assert row.input_ids[0, places].tolist() == [*prompt.tolist(), *response[:-1].tolist()]
        assert row.position_ids[0, places].tolist() == list(range(len(places)))
        seen = row.mask[b, 0][row.segment.mask[b]]
        assert seen.sum(-1).tolist() == list(range(len(prompt), len(prompt) + len(response)))


def dense_attention(row: PackedRow, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """A full [L, L] mask, filled token by token.  [1, H, L, D] and twice [1, G, L, D] -> [1, L, H, D]"""
    allowed = torch.zeros(query.shape[2], query.shape[2], dtype=torch.bool)
    for places in (row.prefix.places[p][row.prefix.mask[p]].tolist() for p in range(len(row.prefix.places))):
        for index, place in enumerate(places):
            allowed[place, places[: index + 1]] = True
    for b, problem in enumerate(row.problem.tolist()):
        shared = row.prefix.places[problem][row.prefix.mask[problem]].tolist()
        own = row.segment.places[b][row.segment.mask[b]].tolist()
        for index, place in enumerate(own):
            allowed[place, shared + own[: index + 1]] = True
    repeat = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(repeat, 1), value.repeat_interleave(repeat, 1)
    scores = (query @ key.transpose(-1, -2) * scale).masked_fill(~allowed, float("-inf"))
    return (scores.softmax(-1) @ value).transpose(1, 2)


@pytest.mark.parametrize("width", [5, 6])  # values of another size than queries are not attended to in parts
@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_packed_attention_is_dense_attention_under_a_block_mask(layout: str, scale: float | None, width: int) -> None:
    row = pack(draw_rows(*LAYOUTS[layout]))
    generator = torch.Generator().manual_seed(0)
    length = row.input_ids.shape[1]
    shapes = (1, 4, length, 6), (1, 2, length, 6), (1, 2, length, width)
    states = [torch.randn(*shape, generator=generator, dtype=torch.double, requires_grad=True) for shape in shapes]
    ours = row.attend(0, *states, scale=scale)
    theirs = dense_attention(row, *states, scale=6**-0.5 if scale is None else scale)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    weight = torch.randn(ours.shape, generator=generator, dtype=torch.double)
    for mine, other in zip(
        torch.autograd.grad((ours * weight).sum(), states),
        torch.autograd.grad((theirs * weight).sum(), states),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("compacting", [(), (1,), (3,), (1, 2, 3)])
@pytest.mark.parametrize("lengths", [[4, 4, 4], [5, 2, 1], [1, 3, 3]])
def test_cached_attention_is_dense_attention(lengths: list[int], compacting: tuple[int, ...]) -> None:
    """Steps of two responses to each prompt, which end one after another, against attention over each whole row."""
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.double)  # noqa: E731
    n, heads, groups, dim = 2, 4, 2, 6
    live_at = [[0, 1, 2, 3, 4, 5], [0, 2, 3, 4, 5], [0, 4, 5], [4, 5], [5]]
    cache = SharedPrefixCache(pad_prompts([torch.zeros(length) for length in lengths])[1], len(live_at))
    query, key, value = (draw(3, count, max(lengths), dim) for count in (heads, groups, groups))
    cache.attend(0, query, key, value, None)
    cache.begin(n)
    keys = [key[row // n, :, : lengths[row // n]] for row in range(6)]
    values = [value[row // n, :, : lengths[row // n]] for row in range(6)]
    previous = live_at[0]
    for time, live in enumerate(live_at):
        cache.select(torch.tensor([previous.index(row) for row in live]))
        if time in compacting:
            cache.compact()
        previous = live
        query, key, value = (draw(len(live), count, 1, dim) for count in (heads, groups, groups))
        ours = cache.attend(0, query, key, value, None)
        cache.time += 1
        for index, row in enumerate(live):
            keys[row] = torch.cat([keys[row], key[index]], 1)
            values[row] = torch.cat([values[row], value[index]], 1)
            scores = query[index] @ keys[row].repeat_interleave(2, 0).transpose(-1, -2) * dim**-0.5
            expected = (scores.softmax(-1) @ values[row].repeat_interleave(2, 0)).transpose(0, 1)
            torch.testing.assert_close(ours[index], expected, rtol=0, atol=1e-6)  # its softmax is in single precision


@pytest.mark.parametrize(
    "bent", [{"sliding_window": 4}, {"softcap": 50.0}, {"s_aux": torch.zeros(4)}, {"position_bias": torch.zeros(1)}]
)
def test_what_bends_attention_is_refused(bent: dict[str, object]) -> None:
    row = pack(draw_rows(*LAYOUTS["one row"]))
    states = [torch.zeros(1, 2, row.input_ids.shape[1], 4)] * 3
    module = torch.nn.Identity()
    with pytest.raises(NotImplementedError, match=next(iter(bent))):
        shared_prefix_attention(module, *states, None, shared_prefix=row, **bent)
    shared_prefix_attention(module, *states, None, shared_prefix=row, **dict.fromkeys(bent))


def test_without_a_prefix_it_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="without a prefix"):
        shared_prefix_attention(torch.nn.Identity(), *[torch.zeros(1, 2, 3, 4)] * 3, None)


def test_the_model_has_its_own_attention_back_even_after_an_error() -> None:
    policy = build("llama")
    usual = policy.model.config._attn_implementation
    with pytest.raises(KeyError), attending(policy.model):
        assert policy.model.config._attn_implementation == NAME
        raise KeyError
    assert policy.model.config._attn_implementation == usual != NAME


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["qwen2", "gpt2"])
def test_gradients_of_packed_rows_are_those_of_plain_rows(name: str, layout: str) -> None:
    """In double, but for the LM head's output, which is scored in single precision."""
    rows = draw_rows(*LAYOUTS[layout])
    policy: Policy = build(name)
    policy.model.double()
    assert policy.shares_prompts
    weight = rows.advantages
    (policy.logprobs(rows) * weight).sum().backward()
    packed = gradients(policy)
    (plain_scores(policy.model, rows)[0] * weight).sum().backward()
    plain = gradients(policy)
    assert packed.keys() == plain.keys()
    largest = max(value.abs().max() for value in plain.values())
    for parameter, value in plain.items():
        assert (packed[parameter] - value).abs().max() < 1e-6 * largest, parameter


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.double, torch.float32, torch.bfloat16])
def test_attention_in_parts_is_attention_at_once(
    layout: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs and gradients: the one is for CPUs, the other for all else."""
    row = pack(draw_rows(*LAYOUTS[layout]))
    length, generator = row.input_ids.shape[1], torch.Generator().manual_seed(0)
    states = [torch.randn(1, heads, length, 8, generator=generator, dtype=torch.double) for heads in (4, 2, 2)]
    weight = torch.randn(1, length, 4, 8, generator=generator, dtype=torch.double).to(dtype)

    def attended() -> list[torch.Tensor]:
        leaves = [values.to(dtype).requires_grad_() for values in states]
        seen = row.attend(0, *leaves, None)  # type: ignore[arg-type]
        return [seen.detach(), *torch.autograd.grad((seen * weight).sum(), leaves)]

    in_parts = attended()
    monkeypatch.setattr(packed, "has_kernel", lambda *_: False)
    bound = {torch.double: 1e-12, torch.float32: 2e-6, torch.bfloat16: 6e-2}[dtype]
    for mine, theirs in zip(in_parts, attended(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=bound, atol=bound)


@pytest.mark.parametrize("layout", ["ragged", "problems in turn", "prompts of one token"])
def test_gradients_of_parts_are_finite_differences(layout: str) -> None:
    row = pack(draw_rows(*LAYOUTS[layout]))
    generator = torch.Generator().manual_seed(0)
    shapes = [(1, heads, row.input_ids.shape[1], 3) for heads in (2, 1, 1)]
    states = [torch.randn(shape, generator=generator, dtype=torch.double, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(lambda *given: row.attend(0, *given, scale=0.7), states)


def test_padded_queries_add_nothing_however_large_their_scores() -> None:
    """A line's padding stands for the row's first token, whose scores on the line's keys may exceed all range."""
    row = pack(draw_rows(*LAYOUTS["ragged"]))
    generator = torch.Generator().manual_seed(0)
    states = [torch.randn(1, 2, row.input_ids.shape[1], 8, generator=generator, dtype=torch.double) for _ in range(3)]
    states[0][:, :, 0] *= 1000
    states = [value.requires_grad_() for value in states]
    ours, theirs = row.attend(0, *states, scale=1.0), dense_attention(row, *states, scale=1.0)
    weight = torch.randn(ours.shape, generator=generator, dtype=torch.double)
    for mine, other in zip(
        torch.autograd.grad((ours * weight).sum(), states),
        torch.autograd.grad((theirs * weight).sum(), states),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-10)
