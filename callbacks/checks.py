"""Checks at the start of a run, so that invalid settings raise at once."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from tempfile import TemporaryDirectory

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from app.distributed.weights import trained_weights, write_model
from app.engines.base import RolloutEngine
from app.engines.demonstrations import DemonstrationEngine
from app.knobs import Knobs
from app.learning_rate import LearningRate
from app.module import RLVRModule
from app.policy import Policy
from app.remote import RemotePolicy
from app.scoring import BatchScorer
from app.settings import RolloutSettings
from app.types import Problem, Sampling
from callbacks.lookup import callback_of
from callbacks.roles import Schedule
from callbacks.schedule.stages import Stage

log = logging.getLogger(__name__)

LARGE, HIGHEST_RATE = 10**7, 1e-4
"""The number of trained weights from which the learning rate is checked, and the highest rate without a warning."""


def check_learning_rate(policy: Policy, stage: str, rate: LearningRate) -> None:
    """Warn of a rate that suits only the default run's policy of 170,000 parameters."""
    number = sum(weight.numel() for weight in trained_weights(policy).values())
    if number > LARGE and rate.peak > HIGHEST_RATE:
        log.warning(
            "stage %r: a learning rate of %g will probably ruin a policy of which %d weights are trained; "
            "configs/real_model.yaml has rates and stages for a pretrained one",
            stage,
            rate.peak,
            number,
        )


def check_engine(engine: RolloutEngine, overlap: bool) -> None:
    """Raise ValueError for an engine that cannot be used in training, or not with `overlap`."""
    name = type(engine).__name__
    if engine.is_remote:
        raise ValueError(f"{name} gives text without tokens, which can't be trained on: use validate, test or predict")
    if overlap and not engine.supports_async:
        raise ValueError(
            f"overlap=true needs an engine with weights of its own, which {name} has not: "
            "app.engines.snapshot.SnapshotEngine and app.engines.vllm.server.VLLMServerEngine have"
        )


def check_knobs(knobs: Knobs, rollouts: RolloutSettings, overlap: bool) -> None:
    """Raise ValueError for a knob that would have no effect, or take effect an iteration too late."""
    for name in ("rollouts", "temperature"):
        knob = getattr(knobs, name)
        if knob is not None and overlap:
            raise ValueError(f"knobs.{name}={knob!r} must be null with overlap=true, which samples an iteration ahead")
    if knobs.temperature is not None and rollouts.engine.demonstrates:
        name = type(rollouts.engine).__name__
        raise ValueError(
            f"knobs.temperature={knobs.temperature!r} must be null with {name}, which draws from no policy"
        )


@contextmanager
def at_iteration(iteration: int, values: Mapping[str, float]) -> Iterator[None]:
    """In this context, a ValueError names the iteration of the stage and the values of its knobs."""
    try:
        yield
    except ValueError as error:
        if not values:
            raise
        named = ", ".join(f"{name}={value:g}" for name, value in values.items())
        raise ValueError(f"knobs, iteration {iteration} ({named}): {error}") from error


def check_overlap(trainer: Trainer, module: RLVRModule) -> None:
    """Raise ValueError if sampling cannot overlap training, or no correction is set for its rollouts."""
    if module.correction is None:
        raise ValueError(
            "overlap=true trains on the previous policy's rollouts: set model.correction, such as app.losses.TokenTIS"
        )
    if not hasattr(getattr(trainer, "datamodule", None), "stream"):
        raise ValueError("overlap=true needs a data module that tells its next batch: a ProblemDataModule does")


def check_policy(engine: RolloutEngine, policy: Policy) -> None:
    """Raise if an engine has no policy to sample from."""
    if not engine.is_remote and isinstance(policy, RemotePolicy):
        name = type(engine).__name__
        raise ValueError(f"{name} has no policy to sample: RemotePolicy is for engines such as OpenAIEngine")


def check_export(policy: Policy) -> None:
    """Raise ValueError for a policy that transformers cannot save; tried without the weights.

    Weights loaded quantised cannot be saved: transformers has no conversion, and they cannot be trained.
    """
    quantizer = getattr(policy.model, "hf_quantizer", None)
    if quantizer is not None and quantizer.pre_quantized:
        method = quantizer.quantization_config.quant_method
        method = getattr(method, "value", method)
        raise ValueError(
            f"the policy's checkpoint is quantised ({method}), and can be neither trained nor saved: give one of full "
            "weights, which app.policy.QLoRA quantises as it reads them"
        )
    with TemporaryDirectory() as folder:
        try:
            write_model(policy.model, {}, folder)
            policy.save_processor(folder)
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            raise ValueError(
                f"the policy could not be saved as a transformers folder: {type(error).__name__}: {reason}"
            ) from error


def check_monitors(trainer: Trainer) -> None:
    """Raise ValueError if an EarlyStopping or ModelCheckpoint has a `monitor` that is not logged."""
    logged = trainer.callback_metrics
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        monitor = getattr(callback, "monitor", None)
        looks_later = any(getattr(callback, f"_{what}_on_train_epoch_end", False) for what in ("check", "save"))
        required = getattr(callback, "strict", True) and isinstance(callback, EarlyStopping | ModelCheckpoint)
        if required and not looks_later and monitor is not None and monitor not in logged:
            raise ValueError(unknown_metric(f"{type(callback).__name__}: monitor", monitor, logged))


def check_monitored_ks(trainer: Trainer, names: Iterable[str]) -> None:
    """Raise ValueError for a Pass@k, maj@k or Cover@tau that the evaluation does not log.

    Checked are the `monitor` of callbacks and the `metric` of the stages' triggers.

    names: the names of those that it logs.
    """
    names, schedule = set(names), callback_of(trainer, Schedule)
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined]
    metrics = [(f"{type(each).__name__}: monitor", str(getattr(each, "monitor", None))) for each in callbacks]
    metrics += [(owner_of(stage), metric_of(stage)) for stage in (schedule.stages if schedule is not None else ())]
    for argument, metric in metrics if names else ():
        if re.fullmatch(r"eval/(.*/)?(pass|maj|cover)@.*", metric) and metric not in names:
            raise ValueError(unknown_metric(argument, metric, names))


def warn_of_modes(trainer: Trainer) -> None:
    """Warn of a callback that takes the lowest value of a metric for the best, where the highest one is.

    Lightning's default is mode=min, for losses.
    """
    for callback in trainer.callbacks if trainer.is_global_zero else ():  # type: ignore[attr-defined]
        monitor, mode = (str(getattr(callback, name, None)) for name in ("monitor", "mode"))
        if mode == "min" and HIGHER_IS_BETTER.fullmatch(monitor):
            name = type(callback).__name__
            log.warning("%s: mode=min takes the lowest %s for the best: mode=max takes the highest", name, monitor)


HIGHER_IS_BETTER = re.compile(r"eval/(.*/)?((pass|maj|cover)@.*|greedy)|rollout/(reward|solved)")
"""Metrics of which a higher value is better."""


def check_validated(stage: Stage, validates: bool) -> None:
    """Raise ValueError for a stage that only a metric of a validation ends, in a run without validations."""
    metric = metric_of(stage)
    if metric.startswith("eval/") and not validates and getattr(stage.until, "at_most", None) is None:
        raise ValueError(f"{owner_of(stage)}={metric!r} needs a validation, and the run has none: give at_most")


def check_trigger(stage: Stage, logged: Collection[str]) -> None:
    """Raise ValueError if no validation has logged the metric `eval/...` that ends the stage.

    Components of rewards (`eval/reward/...`) may be missing: truncated and unscored answers have none.
    """
    metric = metric_of(stage)
    if metric.startswith("eval/") and "/reward/" not in metric and metric not in logged:
        raise ValueError(unknown_metric(owner_of(stage), metric, logged))


def warn_of_trigger(stage: Stage, logged: Collection[str]) -> None:
    """Warn if the stage's first iteration has not logged the training metric that ends the stage."""
    metric = metric_of(stage)
    if metric and not metric.startswith("eval/") and metric not in logged:
        known = ", ".join(sorted(logged))
        log.warning("%s=%r is not logged in the first iteration, which has %s", owner_of(stage), metric, known)


def metric_of(stage: Stage) -> str:
    """The name of the metric that the stage's trigger reads; "" if the trigger has no `metric`."""
    return str(getattr(stage.until, "metric", ""))


def owner_of(stage: Stage) -> str:
    """The argument that names this metric, for messages."""
    return f"stage {stage.name!r}: {type(stage.until).__name__}: metric"


def unknown_metric(argument: str, metric: str, names: Iterable[str]) -> str:
    """The error message of an unknown metric, with the existing names."""
    return f"{argument}={metric!r} must be one of {', '.join(sorted(names))}"


def check_ends(policy: Policy, sampling: Sampling) -> None:
    """Raise ValueError for an unknown stop token, and if no token ends an answer."""
    if not policy.stop_ids(sampling) and not isinstance(policy, RemotePolicy):
        raise ValueError(
            "nothing ends an answer: the policy's tokenizer and generation_config.json name no end of sequence; "
            "sampling.stop_tokens can name one"
        )


def check_sampling(engine: RolloutEngine, sampling: Sampling) -> None:
    """Raise ValueError if samples would not be from the distribution that training assumes."""
    if sampling.temperature == 0:
        raise ValueError("temperature=0 must be above 0: N equal answers have zero advantages")
    if not (sampling.is_whole or engine.demonstrates):
        raise ValueError(
            f"top_p={sampling.top_p:g} and top_k={sampling.top_k} must be 1 and 0 in training: log-probabilities and "
            "importance ratios are those of the whole distribution; evaluation.sampling may cut it"
        )


def check_demonstrations(train: Sequence[Problem], engine: RolloutEngine, scorer: BatchScorer) -> None:
    """Raise ValueError if demonstrations do not pass, checked on a few evenly spaced problems."""
    if type(engine) is not DemonstrationEngine or not train:
        return
    unsolved = next((problem.label for problem in train if not problem.solution), None)
    if unsolved is not None:
        raise ValueError(f"no answer is known to problems of {unsolved}, so that there is nothing to imitate")
    problems = train[:: -(-len(train) // LOOKED_AT)]
    answers = [(problem, problem.demonstrate(Random(0))) for problem in problems]
    verdicts = list(scorer(answers))
    if not any(verdict.score == 1 for verdict in verdicts):
        (problem, text), verdict = answers[0], verdicts[0]
        raise ValueError(
            f"none of {len(answers)} demonstrations passes: {text!r:.60} for {problem.key!r:.60} has "
            f"{f'the score {verdict.score:g}' if verdict.scored else f'no score ({verdict.cause})'}"
        )


LOOKED_AT = 32
"""Number of demonstrations that are scored before a run that trains on them."""
