"""Where problems come from: generated puzzles and published data sets, as Lightning data modules.

Problem sets: `arithmetic/`, `maze/` and `published_maze.py`, `enigmata/`, `reasoning_gym/`, `math/`, `arc.py` (with
`arc_grids.py`), `korbench.py` (with `korbench_rules.py`), `multimodal/`; `several.py` joins them. Sets of one's own:
`task.py`, a table and a scorer, and `puzzle/`, problems drawn by code. `scorers.py` says what a scorer is, `scored.py`
a problem that has one. A data module imports Lightning, which takes seconds; a problem or a scorer never does.
What they share: `base/` (splits, loaders, drawing, deduplication, cache), `sources/` (rows of files and of the hub),
`choices/` (multiple choice and short open answers).
"""
