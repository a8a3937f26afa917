"""Prefixes in real runs: what answers begin with, what is trained and counted of them, gone on with and refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tensorboard.compat.proto.summary_pb2 import Summary

from app.draw.record import id_of
from app.engines.transformers import TransformersEngine
from app.policy import VisionPolicy
from app.replay import Answered, GroupReplay, PrefixReplay
from app.types import Completion, Request, Rollouts, Sampling
from benchmarks.kill_and_resume import logged
from callbacks.replay import Replay, as_by_one_process
from tests.app.updates import distance, naive_update, parameters
from tests.callbacks.test_drawing import AHEAD
from tests.callbacks.test_replay import OVERLAY, SGD, STAGES, Iteration, explore, normalised, noted
from tests.conftest import CommandLine, EchoProblem, build_tiny_policy, demonstrated, gap, steps

PREFIXES = "--replay.prefixes={class_path: app.replay.PrefixReplay, init_args: {target: 0.9, gain: 1.5}}"
FOUR: dict[str, Any] = {**OVERLAY, "rollout": {"rollouts": 4}}


def test_answers_go_on_from_an_earlier_one_and_only_what_they_add_is_trained(
    passk: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: the rule, the samples that a longer prompt would have, and an on-policy update of them."""
    iterations = noted(monkeypatch)
    cli = passk.fit(explore(8), PREFIXES, SGD, **FOUR)
    known: dict[str, tuple[float, list[int]]] = {}  # share and answer
    begun = 0
    for number, each in enumerate(iterations):
        rollouts = each.fresh
        for place, problem in enumerate(rollouts.problems):
            share, answer = known.get(problem.key, (0.0, []))
            prefix = answer[: int(share * len(answer))]
            prompt = [*each.before.encode(problem.prompt).tolist(), *prefix]
            begun += bool(prefix)
            assert rollouts.prompts[place].tolist() == prompt
            assert rollouts.prefixes[place] == len(prefix)
            if prefix:
                check_samples(each, place, number)
            passes = check_rewards(each, place, prefix)
            rate = sum(passes) / 4
            if any(passes):
                answer = [*prefix, *rollouts.completions[place][passes.index(True)].tokens[:-1].tolist()]
            if any(passes) or problem.key in known:
                known[problem.key] = min(max(share + 1.5 * (0.9 - rate), 0.0), 0.9), answer
            if known.get(problem.key, (0.0, []))[0] == 0:
                known.pop(problem.key, None)
        count, advantages = int(rollouts.lengths.sum()), normalised(rollouts.rewards)
        naive_update(each.before, rollouts, advantages, count, on_policy=True, rate=0.05, max_grad_norm=1.0)
        assert distance(parameters(each.before), each.after) < 1e-6
    assert begun > 4
    check_figures(Path(cli.trainer.log_dir), [each.fresh for each in iterations])
    check_record(cli.trainer.datamodule.stream.record, [each.fresh for each in iterations])


def check_samples(each: Iteration, place: int, number: int) -> None:
    """They are those of a prompt that ends with the prefix."""
    engine, rollouts = TransformersEngine(), each.fresh
    engine.sync(each.before)
    problem = rollouts.problems[place]
    asked = Request(problem, rollouts.prompts[place], f"0/fit/{number}/{problem.key}")
    (expected,) = engine.generate([asked], 4, Sampling(max_new_tokens=24))
    assert all(map(same, expected, rollouts.completions[place]))


def same(mine: Completion, own: Completion) -> bool:
    close = all(
        torch.allclose(getattr(mine, name), getattr(own, name), atol=1e-5) for name in ("sampler_logprobs", "entropies")
    )
    return close and torch.equal(mine.tokens, own.tokens)


def check_rewards(each: Iteration, place: int, prefix: list[int]) -> list[bool]:
    """Whole answers are scored.  -> which pass"""
    rollouts, rewards = each.fresh, list[float]()
    for row in rollouts.completions[place]:
        whole = [*prefix, *row.tokens.tolist()][: -1 if row.finish == "stop" else None]
        assert row.text == each.before.decode([whole])[0]
        rewards.append(rollouts.problems[place].score(row.text) if row.finish == "stop" else 0.0)
    assert rollouts.rewards[place].tolist() == rewards
    return [reward == 1 for reward in rewards]


def curve(folder: Path, name: str) -> list[float]:
    """Of TensorBoard's, in order."""
    values = [Summary.Value.FromString(value) for _, value in logged(folder)[name]]
    return [value.simple_value or sum(value.tensor.float_val) for value in values]


def check_figures(folder: Path, batches: list[Rollouts]) -> None:
    """Those of rollouts are of answers without a prefix; the others have their own."""
    of_given, of_others = list[float](), list[float]()
    for batch in batches:
        given = torch.tensor(batch.prefixes).bool()
        of_given += [batch.rewards[given].mean().item()] if given.any() else []
        of_others += [batch.rewards[~given].mean().item()] if not given.all() else []
    assert curve(folder, "prefix/reward") == pytest.approx(of_given, abs=1e-6)
    assert curve(folder, "rollout/reward") == pytest.approx(of_others, abs=1e-6)
    shares = [sum(map(bool, batch.prefixes)) / len(batch) for batch in batches]
    assert curve(folder, "prefix/share") == pytest.approx(shares)


def check_record(record: Any, batches: list[Rollouts]) -> None:
    """Every draw is counted, and every answer without a prefix, those of earlier draws half."""
    answers = dict.fromkeys((problem.key for problem in record.problems), 0.0)
    for batch in batches:
        for problem, prefix in zip(batch.problems, batch.prefixes, strict=True):
            answers[problem.key] = answers[problem.key] if prefix else answers[problem.key] / 2 + 4
    assert record.drawn.sum() == sum(map(len, batches))
    assert record.answers.tolist() == [*answers.values()]


def test_prefixes_are_for_training_alone(passk: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for validations, nor for demonstrations; an iteration of one problem then has no other figures."""
    given: dict[str, list[int]] = {"fit": [], "else": []}
    generate = TransformersEngine.generate

    def noting(self: TransformersEngine, requests: Any, n: int, sampling: Sampling) -> Any:
        for request in requests:
            given["fit" if "/fit/" in request.seed else "else"].append(request.prefix)
        return generate(self, requests, n, sampling)

    monkeypatch.setattr(TransformersEngine, "generate", noting)
    stages = [demonstrated(until=steps(1)), *explore(22)]
    often = ["--data.batch_size=1", "--trainer.val_check_interval=8"]
    curves = logged(Path(passk.fit(stages, PREFIXES, *often, **FOUR).trainer.log_dir))
    assert max(given["fit"]) > 0 == max(given["else"])
    assert len(given["else"]) > 16
    assert 0 < len(curves["prefix/reward"]) == 23 - len(curves["rollout/reward"])


def test_a_run_in_two_parts_is_one_run(passk: CommandLine, tmp_path: Path) -> None:
    """With groups replayed too, some of which had a prefix. tests/test_resume.py has runs that are killed."""
    options = [PREFIXES, "--replay.groups=app.replay.GroupReplay"]
    whole = Path(passk.fit(STAGES, *options, **OVERLAY).trainer.log_dir)
    other = CommandLine(tmp_path / "other", passk.cache)
    other.folder.mkdir()
    other.fit(STAGES, *options, "--trainer.max_steps=6", **OVERLAY)
    resumed = Path(other.fit(STAGES, *options, "--ckpt_path=last", **OVERLAY).trainer.log_dir)
    assert gap(whole / "stages" / "2-explore", resumed / "stages" / "2-explore") == 0
    mine, theirs = logged(whole), logged(resumed)
    for name in ("prefix/share", "prefix/kept", "prefix/tokens", "prefix/reward", "replay/share", "replay/ess"):
        assert mine[name] == theirs[name]
    assert len(mine["prefix/reward"]) > 1
    assert len(mine["replay/ess"]) > 1


GUESS = {"class_path": "tests.callbacks.extras.Guess"}


@pytest.mark.parametrize(
    ("stages", "options", "message"),
    [
        (explore(2), AHEAD, "replay.prefixes must be null with overlap=true"),
        (explore(2, engine=GUESS), [], "stage 'explore': replay.prefixes needs an engine that continues tokens"),
        ([demonstrated()], [], "replay has no effect: every stage is taught by demonstrations"),
    ],
)
def test_what_would_not_be_exact_is_refused(
    passk: CommandLine, capsys: pytest.CaptureFixture[str], stages: list[Any], options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        passk.fit(stages, PREFIXES, *options, **FOUR)
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("passk: error: ")
    assert message in said


@pytest.mark.parametrize(("context", "engine", "tokens"), [(100, 100, 5), (20, 100, 3), (100, 18, 1), (17, 100, 0)])
def test_a_prefix_is_cut_where_it_would_leave_no_room_for_an_answer(context: int, engine: int, tokens: int) -> None:
    """A prompt of five tokens, half of an answer of ten, and twelve more."""
    prefixes, problem = PrefixReplay(gain=2.0), EchoProblem("abc")
    prefixes.keep([Answered(id_of(problem), 4, 1, torch.arange(10, dtype=torch.int))], 0)
    settings = SimpleNamespace(engine=SimpleNamespace(max_length=engine), sampling=Sampling(max_new_tokens=12))
    policy = SimpleNamespace(context_length=context, stop_ids=lambda sampling: [99])
    worker: Any = SimpleNamespace(module=SimpleNamespace(policy=policy), settings=settings)
    request = Request(problem, torch.zeros(5, dtype=torch.long), "0")
    assert Replay(prefixes=prefixes)._prefix_of(worker, request).tolist() == [*range(tokens)]


def test_a_prefix_ends_before_a_stop_token_of_the_stage() -> None:
    """Which the stage that sampled the answer did not have."""
    policy = build_tiny_policy(alphabet="abcd")
    prefixes, problem = PrefixReplay(gain=2.0, longest=0.9), EchoProblem("abc")
    prefixes.keep([Answered(id_of(problem), 4, 1, torch.tensor(policy.spell("abacdabacd"), dtype=torch.int))], 0)
    replay, request = Replay(prefixes=prefixes), Request(problem, torch.zeros(5, dtype=torch.long), "0")
    for stop_tokens, said in (((), "abacd"), (("c",), "aba"), (("b",), "a"), (("a", "d"), ""), (("d",), "abac")):
        settings = SimpleNamespace(engine=TransformersEngine(), sampling=Sampling(stop_tokens=stop_tokens))
        worker: Any = SimpleNamespace(module=SimpleNamespace(policy=policy), settings=settings)
        assert replay._prefix_of(worker, request).tolist() == [*policy.spell(said)]


def test_outcomes_are_counted_in_the_order_of_one_process() -> None:
    """A problem that is in a batch twice, the first time on the second process."""
    first, second = Answered("a", 4, 1, torch.tensor([1, 2, 3, 4])), Answered("a", 4, 3, torch.tensor([5, 6, 7, 8]))
    others = [Answered(name, 4, 0, None) for name in "bcd"]
    alone, both = PrefixReplay(gain=1.0), PrefixReplay(gain=1.0)
    whole = [others[0], first, second, others[1], others[2]]
    alone.keep(whole, 0)
    both.keep(as_by_one_process([whole[::2], whole[1::2]]), 0)
    assert as_by_one_process([whole]) == as_by_one_process([whole[::2], whole[1::2]]) == whole
    assert as_by_one_process([whole[::3], whole[1::3], whole[2::3]]) == whole
    assert [*both.steered] == [*alone.steered]


def test_pictures_and_data_without_a_train_split_are_refused() -> None:
    sampled: Any = SimpleNamespace(rollouts=SimpleNamespace(engine=TransformersEngine()))
    module: Any = SimpleNamespace(policy=VisionPolicy.__new__(VisionPolicy))
    with pytest.raises(ValueError, match=r"replay\.prefixes must be null with VisionPolicy"):
        Replay(prefixes=PrefixReplay()).check([sampled], module)
    trainer: Any = SimpleNamespace(datamodule=SimpleNamespace())
    with pytest.raises(ValueError, match="replay has no effect on SimpleNamespace, which keeps no train split"):
        Replay(GroupReplay()).setup(trainer, module, "fit")
