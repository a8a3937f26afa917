"""A null is refused where an argument's type has no None, wherever the argument is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from jsonargparse import Namespace

from app.cli.nulls import check_nulls


@dataclass
class Size:
    """A dataclass of an argument."""

    width: int
    height: int | None = 3


class Base:
    """Has arguments that its subclass passes on."""

    def __init__(self, rate: float, names: tuple[str, ...] = ()) -> None: ...


class Part(Base):
    """Has arguments of most forms."""

    def __init__(
        self,
        size: Size | None = None,
        sizes: tuple[Size, ...] = (),
        anything: Any = 1,
        unknown=2,  # type: ignore[no-untyped-def]
        either: int | str = 1,
        none: int = None,  # type: ignore[assignment]  # noqa: RUF013
        **passed_on: Any,
    ) -> None: ...


def part(**arguments: Any) -> Namespace:
    return Namespace(class_path=f"{__name__}.Part", init_args=Namespace(**arguments))


@pytest.mark.parametrize(
    ("config", "error"),
    [
        (Namespace(data=part(rate=None)), "data.rate: must be a number, not null"),
        (Namespace(data=part(names=None)), "data.names: must be a list, not null"),
        (Namespace(data=part(size=Namespace(width=None))), "data.size.width: must be an integer, not null"),
        (Namespace(data=part(sizes=[Namespace(width=None)])), "data.sizes.0.width: must be an integer, not null"),
        (Namespace(data=part(anything=[part(rate=None)])), "data.anything.0.rate: must be a number, not null"),
        (Namespace(model=Namespace(rate=None)), "model.rate: must be a number, not null"),
    ],
)
def test_a_null_for_a_number_is_refused_with_its_place(config: Namespace, error: str) -> None:
    with pytest.raises(ValueError, match=f"^{error}$"):
        check_nulls(config, {"model": Part})


def test_a_null_that_an_argument_accepts_or_that_nothing_is_known_of() -> None:
    accepted = dict.fromkeys(("size", "anything", "unknown", "either", "none", "undeclared"))
    config = Namespace(
        data=part(**accepted, sizes=[Namespace(width=1, height=None)]),
        model=part(size=Namespace(width=1, height=None)),
        logger=Namespace(class_path="no.such.Thing", init_args=Namespace(rate=None)),
        reduction=Namespace(class_path=f"{__name__}.part", init_args=Namespace(rate=None)),
        trainer=Namespace(rate=None),
    )
    check_nulls(config, {"trainer": Part})


class Unknown(Base):
    """Has an annotation that cannot be evaluated, and takes a null that its base does not."""

    def __init__(self, rate: float | None = None, other: "OnlyForTypeCheckers | None" = None) -> None: ...  # type: ignore[name-defined]  # noqa: F821, UP037


class Described(Base):
    """Has an annotation that is a text."""

    def __init__(self, rate: "how many of them" = 1) -> None: ...  # type: ignore[valid-type]  # noqa: F722


class Missing(Base):
    """Has an annotation that its module does not have."""

    def __init__(self, rate: pytest.NoSuchClass = 1) -> None: ...  # type: ignore[name-defined]


class Odd(Base):
    """Has an annotation that is no type, and null as its default."""

    def __init__(self, rate: 5 = None, names: list[int] = None) -> None: ...  # type: ignore[valid-type,assignment]  # noqa: RUF013


@pytest.mark.parametrize("kind", ["Unknown", "Described", "Missing", "Odd"])
def test_annotations_that_are_no_types_refuse_nothing(kind: str) -> None:
    arguments = Namespace(rate=None, names=None) if kind == "Odd" else Namespace(rate=None)
    check_nulls(Namespace(data=Namespace(class_path=f"{__name__}.{kind}", init_args=arguments)), {})
