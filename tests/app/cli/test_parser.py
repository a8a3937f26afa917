"""The file of defaults is read once for a command line; a configuration is written out as it was parsed."""

from __future__ import annotations

from pathlib import Path

import pytest
from lightning.pytorch.callbacks.timer import Interval
from numpy import float64

from app.cli.parser import ReadOnceParser, written_out


@pytest.fixture
def parser(tmp_path: Path) -> ReadOnceParser:
    """Of two arguments, with a file of defaults."""
    (tmp_path / "defaults.yaml").write_text("sizes: {7: 64}\n")
    parser = ReadOnceParser(default_config_files=[str(tmp_path / "defaults.yaml")])
    parser.add_argument("--sizes", type=dict[int, int])
    parser.add_argument("--rate", type=float | None)
    return parser


def test_defaults_are_read_once_and_given_out_as_copies(parser: ReadOnceParser, tmp_path: Path) -> None:
    first = parser.get_defaults(skip_validation=True)
    (tmp_path / "defaults.yaml").write_text("sizes: {9: 1}\n")
    first["rate"] = 0.5
    second = parser.get_defaults(skip_validation=True)
    assert second.sizes == {7: 64}
    assert second.rate is None


def test_a_configuration_is_written_out_with_its_types(parser: ReadOnceParser) -> None:
    """But for the keys of a mapping, which jsonargparse writes as text."""
    assert written_out(parser, parser.parse_args(["--rate=1e-6"])) == {"sizes": {"7": 64}, "rate": 1e-6}
    assert written_out(parser, parser.parse_args([]))["rate"] is None


def test_values_of_subclasses_are_written_as_what_they_are(parser: ReadOnceParser) -> None:
    """Lightning's Timer has a member of an Enum as its default, others a number of numpy."""
    parser.add_argument("--interval", type=str, default=Interval.step)
    parser.add_argument("--eps", type=float, default=float64(0.5))
    written = written_out(parser, parser.parse_args([]))
    assert (written["interval"], written["eps"]) == ("step", 0.5)
