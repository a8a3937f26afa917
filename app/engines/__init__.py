"""Rollout engines: prompts in, completions out. One file each; only what is named in YAML is imported."""
