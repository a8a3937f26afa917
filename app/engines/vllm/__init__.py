"""vLLM engines, in the trainer's process or as a server. Only the one named in YAML is imported."""
