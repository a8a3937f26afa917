"""Rollout engines: prompts in, completions out. One file each; only the engines named in YAML are imported."""
