"""Where problems come from: generated puzzles and published data sets, as Lightning data modules."""
