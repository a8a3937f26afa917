"""The claims of arXiv 2508.10751, and two objections, tried in miniature: `python -m benchmarks.reproduce`.

`claims.py` says what is tried and by which rule it is decided, `runs.py` trains, `curves.py` keeps what the runs
measured as small CSV files in `results/`, `verdicts.py` decides, `document.py` writes docs/reproduction.md from the
files.
"""
