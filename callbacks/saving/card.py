"""The model card of an export: the base model, the objectives, the data and the results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import ModelCardData
from lightning.pytorch import Trainer

from app.module import RLVRModule
from app.policy.vision import VisionPolicy
from app.storage.run_folder import run_folder
from callbacks.evaluation.results import markdown
from callbacks.lookup import batch_size_of, callback_of
from callbacks.roles import Evaluation, Saving, Schedule
from callbacks.schedule.stages import StageSettings

CARD = "README.md"
LIBRARIES = ("passk-rlvr", "torch", "lightning", "transformers", "peft", "vllm")
SECTIONS = ("seed_everything", "chat", "data", "model", "rollout", "schedule", "evaluation")
"""The parts of the configuration that affect the policy; not those on saving and display."""


def card_of(trainer: Trainer, stage: str | None = None) -> str:
    """The text of the model card. Of this machine's paths it has only the last component.

    stage: the stage that has just ended; defaults to that of the last validation.
    """
    module = RLVRModule.of(trainer.lightning_module)
    evaluation, saving = callback_of(trainer, Evaluation), callback_of(trainer, Saving)
    measured = [] if evaluation is None else evaluation.results
    stage = str(stage or (measured[-1]["stage"] if measured else module.stage))
    folder, source = run_folder(trainer), _source_of(module.policy)
    title = f"{folder.parent.name}, {stage}" if stage else folder.parent.name
    started = f"It started from {source}." if source else "It started from random weights."
    parts = [
        f"---\n{_front_matter(module.policy)}\n---",
        f"# {title}",
        f"Trained by reinforcement learning from verifiable rewards with Pass@k as the objective (arXiv 2508.10751), "
        f"with passk, for {module.iteration} iteration{'s' * (module.iteration != 1)}. {started}",
        "## Training",
        _table([*map(_row, _stages(trainer, stage))]),
        "P: problems in an iteration. N: rollouts of each. k is the objective's.",
    ]
    results = [each for each in measured if each["stage"] == stage]
    if results:
        parts += ["## Results on held-out problems", markdown(results[-1]), "In brackets: 95 % bootstrap intervals."]
    if saving is not None and saving.command:
        parts += ["## Command", f"```\n{_shortened(saving.command)}\n```"]
    parts += ["## Versions", ", ".join(_versions())]
    if saving is not None and saving.config:
        chosen = {name: saving.config[name] for name in SECTIONS if name in saving.config}
        text = yaml.safe_dump(_without_paths(chosen), sort_keys=False, allow_unicode=True)
        parts += ["## Configuration", f"```yaml\n{text}```"]
    return "\n\n".join(parts) + "\n"


def _stages(trainer: Trainer, stage: str) -> list[StageSettings]:
    """The stages up to this one; without a schedule, one for the whole run."""
    module, schedule = RLVRModule.of(trainer.lightning_module), callback_of(trainer, Schedule)
    settings = [] if schedule is None else schedule.settings
    names = [each.name for each in settings]
    if stage in names:
        return settings[: names.index(stage) + 1]
    return [StageSettings(stage, module.settings, module.rollout_worker.settings, batch_size_of(trainer))]


def _front_matter(policy: Any) -> str:
    """The YAML metadata that the Hugging Face hub reads."""
    source = _source_of(policy)
    data = ModelCardData(
        base_model=source if source and "/" in source else None,
        library_name="transformers",
        pipeline_tag="image-text-to-text" if isinstance(policy, VisionPolicy) else "text-generation",
        tags=["passk", "rlvr", "reinforcement-learning", "pass-at-k"],
    )
    return data.to_yaml().rstrip()


def _source_of(policy: Any) -> str:
    """The hub id that a policy was loaded from, or the name of its folder or package; "" for none."""
    path = str(getattr(policy, "path", ""))
    is_id = re.fullmatch(r"[\w.-]+/[\w.-]+", path) and not Path(path).exists()
    return path if is_id else Path(path).name.removeprefix("package:")


def _row(each: StageSettings) -> dict[str, object]:
    sampling = each.rollouts.sampling
    return {
        "stage": each.name or "all",
        "objective": repr(each.update.advantage),
        "loss": type(each.update.loss).__name__,
        "learning rate": repr(each.update.learning_rate),
        "P": each.problems,
        "N": each.rollouts.rollouts,
        "temperature": sampling.temperature,
        "tokens at most": sampling.max_new_tokens,
    }


def _table(rows: list[dict[str, object]]) -> str:
    lines = [[*rows[0]], ["---"] * len(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def _versions() -> Iterator[str]:
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            yield f"{name} {version(name)}"


def _without_paths(value: Any) -> Any:
    """Plain data in which absolute paths are replaced by their last component."""
    if isinstance(value, dict):
        return {key: _without_paths(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(part) for part in value]
    return _shortened(value) if isinstance(value, str) else value


def _shortened(text: str) -> str:
    """The text with absolute paths, and paths below the home directory, replaced by their last component."""
    return re.sub(r"(?<![\w.:/~-])(?:~|/[\w.@+-]+)(?:/[\w.@+-]+)*/([\w.@+-]+)", r"\1", text)
