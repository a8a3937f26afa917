"""Benchmarks. Run each as `python -m benchmarks.<name>`; passk itself imports nothing from here."""
