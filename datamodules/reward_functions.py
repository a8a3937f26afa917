"""A scorer of reward functions in the interface of TRL's GRPOTrainer."""

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
"""Arguments that a function gets besides the row's columns; columns of these names are not passed."""


class RewardFunctions(Scorer):
    """Weighted sum of functions `reward(prompts, completions, **columns) -> list[float | None]`.

    As in TRL's `GRPOTrainer`, a function gets the columns of the row by name; completions are messages if the
    prompt is a chat, and text otherwise; None means that a reward does not apply, and is left out of the sum. Each
    answer is scored separately: the lists have one element. The sum is mapped to [0, 1] by its minimum and maximum: an
    answer passes if every function that applies returns its maximum. Each reward's mean is logged as
    `reward/<name>`, for held-out problems as `eval/reward/<name>`.

    Args:
        reward_funcs: each by a dotted path, `my_rewards.accuracy_reward`, or a file, `my_rewards.py:accuracy_reward`.
        reward_weights: the weight of each in the sum, above 0; None: 1.
        bounds: minimum and maximum of a function by its name, if they are not 0 and 1.

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
        """The state has the functions' paths, by which another process loads them, and their modules."""
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
            return Composite(1.0, applying)  # rounding may give less
        least, most = (sum(self.weights[name] * self.bounds[name][end] for name in applying) for end in (0, 1))
        total = sum(self.weights[name] * reward for name, reward in applying.items())
        return Composite(min(max((total - least) / (most - least), 0.0), 1.0), applying)

    def arguments(self, row: Row, response: str) -> dict[str, list[Any]]:
        """The arguments of a function, each a list of one; copies, which the function may change."""
        is_chat = not isinstance(row.prompt, str)
        prompt = [deepcopy(message) for message in row.prompt] if is_chat else row.prompt
        completion = [{"role": "assistant", "content": response}] if is_chat else response
        given = {name: value for name, value in row.columns.items() if name not in ("prompt", "completion", *OURS)}
        columns = {name: [deepcopy(value)] for name, value in given.items()}
        return {"prompts": [prompt], "completions": [completion], **columns}

    def solve(self, answer: Any) -> str:
        return "" if answer.answer is None else text_of(answer.answer)

    def check(self, answer: Any) -> None:
        """Raise ValueError if a function requires a column that the row does not have."""
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
        return False  # a row's answer need not be a whole response


def reward_of(name: str, function: Callable[..., Any], arguments: Mapping[str, list[Any]]) -> float | None:
    """The reward for one answer; ValueError unless the function returns a list of one number or None."""
    given = function(**arguments)
    if inspect.isawaitable(given):
        given = asyncio.run(_awaited(given))
    try:
        (reward,) = given
    except (TypeError, ValueError):
        raise ValueError(f"{name} gave {given!r:.80}, which is no list with one reward") from None
    reward = reward.item() if hasattr(reward, "item") else reward  # a scalar of numpy or torch
    if reward is None:
        return None
    if not isinstance(reward, Real) or not isfinite(reward):
        raise ValueError(f"{name} gave {reward!r:.80}, which is neither a finite number nor None")
    return float(reward)


async def _awaited(given: Any) -> Any:
    return await given


def check_bounds(bounds: Mapping[str, Sequence[float]], names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Bounds by function name; ValueError for an unknown name, or a maximum not above the minimum."""
    for name, (low, high) in bounds.items():
        if name not in names:
            raise ValueError(f"bounds of {name!r}, which is no reward function: there are {', '.join(names)}")
        if not (isfinite(low) and isfinite(high) and low < high):
            raise ValueError(f"bounds of {name}: {low:g} and {high:g} must be finite, the second above the first")
    return {name: (float(low), float(high)) for name, (low, high) in bounds.items()}


def absolute(place: str) -> str:
    """A function's path, with a file's absolute path."""
    file, _, name = place.rpartition(":")
    return f"{Path(file).absolute()}:{name}" if file.endswith(".py") else place


def name_of(place: str) -> str:
    """A function's name in its path; `__name__` may differ, for a lambda or a function made by a function."""
    return re.split("[:.]", place)[-1]


def load(place: str) -> Callable[..., Any]:
    """Load the function of a path; ValueError if there is none."""
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
                raise  # raised by an import of the module
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
    module = sys.modules[spec.name] = module_from_spec(spec)  # for dataclasses; a path hides no module
    spec.loader.exec_module(module)
    return module
