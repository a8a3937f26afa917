"""vLLM, in the trainer's process or as a server. Only what is named in YAML is imported."""
