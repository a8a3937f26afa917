"""Sampling and scoring of a batch."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isnan
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch.utils.data import DataLoader

from app.advantages import AdvantageEstimator, PassK, PassOne
from app.cli import main
from app.engines.base import RolloutEngine
from app.engines.scripted import ScriptedEngine
from app.module import RLVRModule
from app.policy import Policy, TinyPolicy
from app.types import Completion, Problem, ProblemBatch, Request, Rollouts, Sampling
from callbacks.rollout import RolloutCallback
from tests.app.updates import Watch
from tests.conftest import CONTAINED, CommandLine, EchoProblem, build_tiny_policy, callback, scripted, stage, steps


@pytest.mark.parametrize(("finish", "reward", "answer"), [("stop", 1.0, "UD"), ("length", 0.0, None)])
def test_a_truncated_answer_does_not_pass(
    echo: Callable[[str], Problem], finish: Literal["stop", "length"], reward: float, answer: str | None
) -> None:
    completion = Completion("UD", torch.tensor([3, 4]), finish)
    rollouts = Rollouts([echo("UD")], completions=[[completion]], rewards=torch.zeros(1, 1))
    scored = RolloutCallback().worker.score(rollouts)
    assert scored.rewards.tolist() == [[reward]]
    assert [row.answer for row in scored.rows] == [answer]


def test_rollouts_must_be_some() -> None:
    with pytest.raises(ValueError, match="rollouts=0 must be at least 1"):
        RolloutCallback(rollouts=0)


def test_the_module_must_be_one_of_ours(tiny_policy: Callable[..., TinyPolicy]) -> None:
    module = RLVRModule(tiny_policy())
    assert RLVRModule.of(module) is module
    with pytest.raises(TypeError, match="need an RLVRModule, not LightningModule"):
        RLVRModule.of(LightningModule())
    with pytest.raises(ValueError, match="no RolloutCallback, which samples"):
        module.rollout_worker  # noqa: B018 - it raises


def test_defaults_are_those_of_training() -> None:
    worker = RolloutCallback(ScriptedEngine(["U"])).worker
    assert worker.settings.engine is worker.engine
    assert worker.settings.sampling == Sampling()
    assert worker.seed == 0


def test_resampling_rounds_must_be_some() -> None:
    with pytest.raises(ValueError, match="max_resampling_rounds=0 must be at least 1"):
        RolloutCallback(max_resampling_rounds=0)


RECORDER = "tests.callbacks.extras.Recorder"


def test_a_problem_that_is_twice_in_a_batch_has_other_answers(passk: CommandLine) -> None:
    """Five problems in batches of four, which span two epochs. Equal seeds would give equal answers."""
    options = ["--data.train={7: 5}", "--data.batch_size=4", "--trainer.limit_val_batches=0"]
    cli = passk.fit(
        [stage("explore", until=steps(4))], *options, "--trainer.callbacks+=tests.callbacks.test_rollout.Seen"
    )
    twice = 0
    for batch in callback(cli, "Seen").batches:
        answers: dict[str, list[list[list[int]]]] = {}
        for problem, rows in zip(batch.problems, batch.completions, strict=True):
            answers.setdefault(problem.key, []).append([row.tokens.tolist() for row in rows])
        pairs = [pair for pair in answers.values() if len(pair) == 2]
        twice += len(pairs)
        assert all(one != other for one, other in pairs)
    assert twice


# -- dynamic sampling ---------------------------------------------------------------------------------

N = 4


class PassesOf(RolloutEngine):
    """Of the answers to problem "p3 17" the first 3 pass; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def sync(self, policy: Policy) -> None:
        self.policy = policy

    def generate(self, requests: Sequence[Request], n: int, sampling: Sampling) -> list[list[Completion]]:
        self.asked.append([request.problem.key for request in requests])
        return [[self._answer(request.problem, index) for index in range(n)] for request in requests]

    def _answer(self, problem: Problem, index: int) -> Completion:
        text = problem.key if index < int(problem.key[1]) else "no"
        tokens = torch.tensor(self.policy.spell(text))
        nothing = torch.zeros(len(tokens))
        return Completion(text, tokens, "stop", nothing - 1, nothing + 1)


class Problems(LightningDataModule):
    """Batches of these problems, of a train split of these."""

    def __init__(self, batches: list[list[str]], train: list[str]) -> None:
        super().__init__()
        self.batches = batches
        self.splits = {"train": [EchoProblem(key) for key in train]}

    def train_dataloader(self) -> DataLoader:
        batches = [ProblemBatch([EchoProblem(key) for key in batch]) for batch in self.batches]
        return DataLoader(batches, batch_size=None)  # type: ignore[arg-type]


class Seen(Watch):
    """What the step was given."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Rollouts] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self.batches.append(batch.rollouts)

    @property
    def keys(self) -> list[list[str]]:
        return [[problem.key for problem in batch.problems] for batch in self.batches]


def keys(passes: Sequence[int], first: int = 0) -> list[str]:
    """Problems of which so many answers pass."""
    return [f"p{number} {first + index}" for index, number in enumerate(passes)]


def run(
    batches: list[list[str]],
    others: list[str],
    rounds: int,
    advantage: AdvantageEstimator | None = None,
    seed: int = 0,
) -> tuple[Seen, PassesOf]:
    """Iterations of these batches, in a real Trainer."""
    engine, seen = PassesOf(), Seen()
    module = RLVRModule(build_tiny_policy(), advantage=advantage or PassOne())
    callbacks = [RolloutCallback(engine, rollouts=N, max_resampling_rounds=rounds, seed=seed), seen]
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = Trainer(
        accelerator="cpu", devices=1, max_epochs=1, callbacks=list(callbacks), **dict.fromkeys(off, False)
    )
    trainer.fit(module, datamodule=Problems(batches, [key for batch in batches for key in batch] + others))
    return seen, engine


class Silent(PassesOf):
    """Tells no log-probabilities, as another program's engine may."""

    def _answer(self, problem: Problem, index: int) -> Completion:
        return replace(super()._answer(problem, index), sampler_logprobs=None, entropies=None)


def test_an_engine_without_log_probabilities_has_those_of_the_trainer() -> None:
    """So that the second update of an iteration has importance ratios, as with an engine that tells them."""
    batch, seen, module = keys([1, 2]), Seen(), RLVRModule(build_tiny_policy(), PassOne(), minibatch_size=1)
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    callbacks = [RolloutCallback(Silent(), rollouts=N), seen]
    Trainer(accelerator="cpu", max_epochs=1, callbacks=callbacks, **off).fit(
        module, datamodule=Problems([batch], batch)
    )
    rows = seen.batches[0].rows
    assert all(row.sampler_logprobs is not None and row.entropies is not None for row in rows)
    before = build_tiny_policy()
    expected = before.logprobs(seen.batches[0].experience(torch.ones(2, N)))
    given = seen.batches[0].padded("sampler_logprobs")
    assert given is not None
    torch.testing.assert_close(given.flatten(0, 1), expected, rtol=0, atol=1e-5)
    assert seen.figures[0]["train/logprob_gap"] > 0


def figures(seen: Seen) -> list[tuple[float, float]]:
    return [(row["rollout/dead"], row["rollout/resampling_rounds"]) for row in seen.figures]


def test_one_round_keeps_the_dead() -> None:
    batch = keys([0, 2, 4, 1])
    seen, engine = run([batch], keys([2] * 9, 50), rounds=1)
    assert seen.keys == engine.asked == [batch]
    assert "rollout/dead" not in seen.figures[0]


def test_dead_problems_make_room_for_others() -> None:
    batch, others = keys([0, 2, 4, 1]), keys([2] * 9, 50)
    seen, engine = run([batch], others, rounds=5)
    ((first, second, third, fourth),) = seen.keys
    assert (second, fourth) == (batch[1], batch[3])
    assert {first, third} < set(others)
    assert engine.asked == [batch, [first, third]]
    assert figures(seen) == [(pytest.approx(2 / 6), 2)]
    assert seen.figures[0]["rollout/informative"] == 1


def test_a_problem_brings_all_that_belongs_to_it() -> None:
    seen, _ = run([keys([0, 2, 4, 1])], keys([1, 2, 3] * 3, 50), rounds=5)
    (batch,) = seen.batches
    policy = build_tiny_policy()
    for index, problem in enumerate(batch.problems):
        assert torch.equal(batch.prompts[index], policy.encode(problem.prompt))
        passes = int(problem.key[1])
        assert [row.text for row in batch.completions[index]] == [problem.key] * passes + ["no"] * (N - passes)
        assert batch.rewards[index].tolist() == [1.0] * passes + [0.0] * (N - passes)
    assert batch.on_policy


@pytest.mark.parametrize("rounds", [2, 3, 7])
def test_no_more_rounds_than_allowed(rounds: int) -> None:
    """None of the others teaches either: as many are asked each time as places are dead, and none twice."""
    batch, others = keys([0, 2, 4, 0]), keys([0, 4] * 20, 50)
    seen, engine = run([batch], others, rounds)
    assert seen.keys == [batch]
    assert [len(asked) for asked in engine.asked] == [4, *[3] * (rounds - 1)]
    drawn = [key for asked in engine.asked for key in asked]
    assert len(set(drawn)) == len(drawn)
    sampled = 4 + 3 * (rounds - 1)
    assert figures(seen) == [(pytest.approx((sampled - 1) / sampled), rounds)]


def test_rounds_go_on_until_none_is_dead() -> None:
    batch, others = keys([0] * 6), keys([0, 2] * 20, 50)
    seen, engine = run([batch], others, rounds=50)
    assert all(key[1] == "2" for key in seen.keys[0])
    assert 2 < len(engine.asked) < 50
    left = [6]
    for asked in engine.asked[1:]:
        assert len(asked) == left[-1]
        left.append(left[-1] - sum(key[1] == "2" for key in asked))
    assert left[-1] == 0
    sampled = sum(map(len, engine.asked))
    assert figures(seen) == [(pytest.approx((sampled - 6) / sampled), len(engine.asked))]


def test_with_nothing_left_to_draw_training_goes_on() -> None:
    batch = keys([0, 2, 4, 0])
    seen, engine = run([batch], keys([0, 3], 50), rounds=50)
    assert sum(key.startswith("p0") or key.startswith("p4") for key in seen.keys[0]) == 2
    assert [len(asked) for asked in engine.asked] == [4, 2]
    assert figures(seen) == [(pytest.approx(4 / 6), 2)]
    alone, engine = run([batch], [], rounds=50)
    assert alone.keys == engine.asked == [batch]
    assert figures(alone) == [(0.75, 1)]


def test_a_batch_that_teaches_is_left_alone() -> None:
    seen, engine = run([keys([1, 2, 3])], keys([2] * 9, 50), rounds=5)
    assert engine.asked == [keys([1, 2, 3])]
    assert figures(seen) == [(0, 1)]


@pytest.mark.parametrize(("k", "dead"), [(1, "04"), (2, "034"), (3, "0234")])
def test_the_dead_zone_is_the_objectives(k: int, dead: str) -> None:
    """Pass@k learns nothing where more than N - k pass."""
    batch, others = keys([0, 1, 2, 3, 4]), keys([1] * 9, 50)
    seen, engine = run([batch], others, 2, PassK(k))
    assert [key in others for key in seen.keys[0]] == [key[1] in dead for key in batch]
    assert len(engine.asked[1]) == len(dead)


def test_each_iteration_and_each_seed_draws_its_own_and_the_same_seed_the_same() -> None:
    batch, others = keys([0, 2, 4, 1]), keys([2] * 40, 50)
    first, again, other = (run([batch, batch], others, 3, seed=seed)[0].keys for seed in (0, 0, 1))
    assert first == again
    assert first != other
    assert first[0] != first[1]


def test_other_problems_are_those_that_the_batch_has_not() -> None:
    """tests/app/distributed/test_processes.py asks two processes."""
    train, batch = keys([2] * 30), Rollouts([EchoProblem(key) for key in keys([2] * 4)], rewards=torch.zeros(4, N))
    trainer = SimpleNamespace(datamodule=Problems([], train))
    drawn = [problem.key for problem in RolloutCallback._others(cast(Any, trainer), "0/dynamic/0", batch)]
    assert sorted(drawn) == sorted(train[4:])
    assert drawn != train[4:]


def test_dynamic_sampling_from_the_command_line(passk: CommandLine) -> None:
    """Nothing is ever solved, so every round is made, each with other problems of the split of 64."""
    stages = [stage("explore", until=steps(2))]
    cli = passk.fit(stages, "--rollout.max_resampling_rounds=3", "--trainer.limit_val_batches=0")
    assert cli.model.iteration == 2
    assert cli.model.figures["rollout/resampling_rounds"] == 3
    assert cli.model.figures["rollout/dead"] == 1


# -- answers without a score --------------------------------------------------------------------------

MOODY = {"class_path": "tests.callbacks.extras.MoodyDataModule", "init_args": {"batch_size": 4}}


def moody(passk: CommandLine, command: str, script: list[str], *options: str, **overlay: Any) -> Any:
    """The command on problems whose scorers fail on some of these answers, each asked for as many as there are."""
    engine = {**overlay, "rollout": {"engine": scripted(*script), "rollouts": len(script)}}
    arguments = passk.options(CONTAINED, *options, cached=False, data=MOODY, **engine)
    return main([command, *arguments])


def test_a_failing_scorer_costs_an_answer_its_score_and_the_run_nothing(
    passk: CommandLine, caplog: pytest.LogCaptureFixture
) -> None:
    """Of four answers one passes, one fails, one is unscored by all and one by every other problem."""
    stages = [stage("exploit", "app.advantages.Imitate", until=steps(2))]
    cli = moody(passk, "fit", ["a", "b", "raise", "odd"], schedule={"stages": stages})
    assert cli.model.iteration == 2
    even = sum(int(problem.key.split()[1]) % 2 == 0 for problem in cli.datamodule.splits["validation"])
    assert even == 8
    found = callback(cli, "PassKEvaluation").history[-1]
    assert found["eval/unscored"] == (1 + 1 / 2) / 4
    assert found["eval/pass@1"] == pytest.approx((1 / 2 + 1 / 3) / 2, abs=1e-6)
    assert found["eval/pass@2"] == pytest.approx((1 + 2 / 3) / 2, abs=1e-6)
    assert isnan(found["eval/pass@4"])
    assert 1 / 4 <= cli.model.figures["rollout/unscored"] <= 1 / 2
    assert 1 / 3 <= cli.model.figures["rollout/reward"] <= 1 / 2
    told = [record.getMessage() for record in caplog.records if "unscored" in record.getMessage()]
    assert len(told) == 1
    assert "ZeroDivisionError: one over nothing" in told[0]
    assert "pass@4 leaves 16 problems out: fewer than 4 of their answers have a score" in caplog.text
    lines = (Path(cli.trainer.log_dir) / "results.jsonl").read_text().splitlines()
    assert json.loads(lines[-1], parse_constant=pytest.fail)["eval/pass@4"] is None


def test_predictions_without_a_score_have_none(passk: CommandLine) -> None:
    options = [
        "--trainer.callbacks+=callbacks.evaluation.predictions.PredictionWriter",
        f"--trainer.callbacks.path={passk.folder}/p",
    ]
    moody(passk, "predict", ["a", "raise"], *options)
    scores = [json.loads(line)["score"] for line in (passk.folder / "p").read_text().splitlines()]
    assert scores == [1.0, None] * 16


@pytest.mark.slow
def test_a_share_of_unscored_answers_ends_the_run_with_the_first_cause(
    passk: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        moody(passk, "validate", ["a", "raise", "b", "b"], "--rollout.max_unscored=0.2")
    assert re.fullmatch(
        r"passk: error: more than max_unscored=0\.2 of the 32 answers have no score; the first: coin, 'validation 0': "
        r"ZeroDivisionError: one over nothing \(\S*extras\.py, line \d+\)",
        capsys.readouterr().err.splitlines()[-1],
    )
    moody(passk, "validate", ["a", "raise", "b", "b"], "--rollout.max_unscored=0.25", "--evaluation.greedy=false")


@pytest.mark.parametrize("command", ["fit", "validate"])
def test_a_scorer_that_always_raises_ends_the_run_with_the_first_cause(
    passk: CommandLine, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its first iteration, whatever the share of unscored answers may be."""
    with pytest.raises(SystemExit) as ended:
        moody(passk, command, ["raise"] * 2, "--rollout.max_unscored=1.0", schedule={"stages": [stage("exploit")]})
    assert ended.value.code == 2
    which, where = ("last 8 answers", "train") if command == "fit" else ("answers", "validation")
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"passk: error: none of the {which} could be scored; the first: coin, '{where} ")
    assert re.search(r": ZeroDivisionError: one over nothing \(\S*\.py, line \d+\)$", said)


def test_the_answers_to_one_problem_alone_end_no_run(echo: Callable[[str], Problem]) -> None:
    """Two iterations of the one problem do; a truncated answer, which no scorer has seen, breaks no row of them."""
    rollout, module = RolloutCallback(rollouts=2), cast(Any, SimpleNamespace(sum_over_processes=lambda values: values))
    rows = [Completion("UD", torch.tensor([3]), "stop"), Completion("U", torch.tensor([3]), "length")]

    def meet(*rewards: float) -> None:
        batch = Rollouts([echo("UD")], completions=[rows], rewards=torch.tensor([rewards]))
        rollout._end_where_nothing_is_scored(module, batch)

    for _ in range(3):
        meet(float("nan"), 0.0)
    meet(1.0, 0.0)
    for _ in range(3):
        meet(float("nan"), 0.0)
    with pytest.raises(ValueError, match="none of the last 4 answers could be scored"):
        meet(float("nan"), 0.0)


def test_overfitting_meets_the_same_batches_again_and_again(passk: CommandLine) -> None:
    for batches in (1, 2):
        options = [f"--trainer.overfit_batches={batches}", "--trainer.limit_val_batches=0"]
        cli = passk.fit([stage("explore", until=steps(5))], *options, trainer={"callbacks": [RECORDER]})
        met = [row["keys"] for row in callback(cli, "Recorder").seen]
        assert len(met) == 5
        assert len(set(met)) == batches
        assert met == (met[:batches] * 5)[:5]


def test_a_hanging_scorer_is_left_behind(passk: CommandLine) -> None:
    limits = ["--rollout.scorer.timeout_s=0.3", "--trainer.limit_val_batches=1", "--data.eval_batch_size=1"]
    cli = moody(passk, "validate", ["b", "hang", "a", "b"], *limits)
    assert cli.trainer.num_val_batches == [1]
    found = callback(cli, "PassKEvaluation").history[-1]
    assert found["eval/unscored"] == 0.25
    assert found["eval/pass@1"] == pytest.approx(1 / 3, abs=1e-6)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_the_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match=r"max_unscored=.* must lie in \[0, 1\]"):
        RolloutCallback(max_unscored=share)
