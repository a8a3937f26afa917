"""What measures speed. Run each as `python -m benchmarks.<name>`; nothing here is imported by the program."""
