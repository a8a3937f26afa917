"""Reward functions as TRL's GRPOTrainer takes them, unchanged, as one scorer."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

from app.types import Composite, Unscored
from datamodules.scorers import Row, Scorer
from datamodules.values import text_of

OURS = ("prompts", "completions")
"""What a function is given beside the row's columns; a column of such a name is not."""


class RewardFunctions(Scorer):
    """The weighted sum of reward functions `reward(prompts, completions, **columns) -> list[float | None]`.

    As with TRL's `GRPOTrainer`, a function gets the columns of the row by name; completions are messages where the
    prompt is a chat, and text otherwise; None stands for a reward that does not apply, and is left out of the sum. Each
    answer is judged by itself: the lists have one element. The sum is mapped to [0, 1] by the least and the most that
    it can be: an answer passes where every function that applies gives its most. Each reward's mean is logged as
    `reward/<name>`, of held-out problems as `eval/reward/<name>`.

    Args:
        reward_funcs: each by a dotted path, `my_rewards.accuracy_reward`, or a file, `my_rewards.py:accuracy_reward`.
        reward_weights: of each in the sum, above 0; 1 where None.
        bounds: the least and the most that a function gives, by its name, where these are not 0 and 1.

    Raises:
        ValueError: for a function that is not found, and values out of range.
    """

    def __init__(
        self,
        reward_funcs: list[str],
        reward_weights: Sequence[float] | None = None,
        bounds: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        weights = [1.0] * len(reward_funcs) if reward_weights is None else [*reward_weights]
        if not reward_funcs or len(weights) != len(reward_funcs):
            raise ValueError(f"{len(weights)} reward_weights for {len(reward_funcs)} reward_funcs, at least one")
        for weight in weights:
            if not 0 < weight < float("inf"):
                raise ValueError(f"the reward weight {weight} must be above 0")
        self.places = [absolute(each) for each in reward_funcs]
        self.functions = {name_of(place): load(place) for place in self.places}
        if len(self.functions) < len(self.places):
            raise ValueError(f"reward_funcs must have names of their own: {', '.join(reward_funcs)}")
        self.weights = dict(zip(self.functions, weights, strict=True))
        self.bounds = {name: (0.0, 1.0) for name in self.functions} | check_bounds(bounds or {}, [*self.functions])

    def __getstate__(self) -> dict[str, Any]:
        """By the functions' places: a process finds them again. With their modules, which it imports once."""
        modules = [getattr(function, "__module__", "") for function in self.functions.values()]
        return {name: value for name, value in vars(self).items() if name != "functions"} | {"modules": modules}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.functions = {name_of(place): load(place) for place in self.places}

    def score(self, response: str, answer: Any) -> float:
        rewards = {
            name: reward_of(name, function, self.arguments(answer, response))
            for name, function in self.functions.items()
        }
        applying = {name: reward for name, reward in rewards.items() if reward is not None}
        if not applying:
            return Unscored("no reward function applies: all gave None")
        for name, reward in applying.items():
            low, high = self.bounds[name]
            if not low <= reward <= high:
                return Unscored(f"{name} gave {reward:g}, outside of its bounds [{low:g}, {high:g}]: see `bounds`")
        if all(reward == self.bounds[name][1] for name, reward in applying.items()):
            return Composite(1.0, applying)  # which rounding might miss
        least, most = (sum(self.weights[name] * self.bounds[name][end] for name in applying) for end in (0, 1))
        total = sum(self.weights[name] * reward for name, reward in applying.items())
        return Composite(min(max((total - least) / (most - least), 0.0), 1.0), applying)

    def arguments(self, row: Row, response: str) -> dict[str, list[Any]]:
        """What a function is called with, each a list of one; a copy, which it may change."""
        is_chat = not isinstance(row.prompt, str)
        prompt = [deepcopy(message) for message in row.prompt] if is_chat else row.prompt
        completion = [{"role": "assistant", "content": response}] if is_chat else response
        given = {name: value for name, value in row.columns.items() if name not in ("prompt", "completion", *OURS)}
        columns = {name: [deepcopy(value)] for name, value in given.items()}
        return {"prompts": [prompt], "completions": [completion], **columns}

    def solve(self, answer: Any) -> str:
        return "" if answer.answer is None else text_of(answer.answer)

    def check(self, answer: Any) -> None:
        """Raise ValueError where a function wants what the row has not."""
        arguments = self.arguments(answer, "")
        for name, function in self.functions.items():
            try:
                inspect.signature(function).bind(**arguments)
            except TypeError as error:
                raise ValueError(f"{name}: {error}; the row has {', '.join(arguments)}") from None

    @property
    def judges_rows(self) -> bool:
        return True

    @property
    def promises(self) -> bool:
        return False  # the answer of a row need be no whole response


def reward_of(name: str, function: Callable[..., Any], arguments: Mapping[str, list[Any]]) -> float | None:
    """What a function gives for one answer; ValueError unless it is a list of one number, or of None."""
    given = function(**arguments)
    if inspect.isawaitable(given):
        given = asyncio.run(_awaited(given))
    try:
        (reward,) = given
    except (TypeError, ValueError):
        raise ValueError(f"{name} gave {given!r:.80}, which is no list with one reward") from None
    reward = reward.item() if hasattr(reward, "item") else reward  # of numpy or torch
    if reward is None:
        return None
    if not isinstance(reward, Real) or not isfinite(reward):
        raise ValueError(f"{name} gave {reward!r:.80}, which is neither a finite number nor None")
    return float(reward)


async def _awaited(given: Any) -> Any:
    return await given


def check_bounds(bounds: Mapping[str, Sequence[float]], names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Bounds by the names of functions; ValueError for another name, and where the most is not above the least."""
    for name, (low, high) in bounds.items():
        if name not in names:
            raise ValueError(f"bounds of {name!r}, which is no reward function: there are {', '.join(names)}")
        if not (isfinite(low) and isfinite(high) and low < high):
            raise ValueError(f"bounds of {name}: {low:g} and {high:g} must be finite, the second above the first")
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}


def absolute(place: str) -> str:
    """A function's place, a file by its whole path."""
    file, _, name = place.rpartition(":")
    return f"{Path(file).absolute()}:{name}" if file.endswith(".py") else place


def name_of(place: str) -> str:
    """What a function is called there; its own name may be another's: of a lambda, or of one that a function made."""
    return re.split("[:.]", place)[-1]


def load(place: str) -> Callable[..., Any]:
    """The function at a place; ValueError where there is none."""
    file, _, name = place.rpartition(":")
    if file.endswith(".py"):
        module = _module_of(Path(file))
    else:
        path, _, name = place.rpartition(".")
        if not path:
            raise ValueError(f"reward_funcs: {place!r} must be module.function or file.py:function")
        try:
            module = import_module(path)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{path}.".startswith(f"{error.name}."):
                raise  # of what the module imports
            raise ValueError(f"reward_funcs: there is no module {error.name!r} for {place!r}") from None
    function = getattr(module, name, None)
    if not callable(function) or isinstance(function, type):
        raise ValueError(f"reward_funcs: {place!r} names no function")
    return function


@cache
def _module_of(file: Path) -> Any:
    if not file.is_file():
        raise ValueError(f"reward_funcs: there is no file {file}")
    spec = spec_from_file_location(str(file), file)
    assert spec is not None and spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)  # where dataclasses look for it; a path hides no module
    spec.loader.exec_module(module)
    return module
