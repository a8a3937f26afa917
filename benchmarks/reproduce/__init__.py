"""Tests the claims of arXiv 2508.10751, and two objections, on small policies: `python -m benchmarks.reproduce`.

`claims.py` has the claims and the rules that decide them, `runs.py` trains, `curves.py` saves the runs' measurements
as small CSV files in `results/`, `verdicts.py` decides, `document.py` writes docs/reproduction.md from the
files.
"""
