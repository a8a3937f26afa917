"""What is shown to the user: the progress line, curves, pictures, warnings, estimates of memory and disk."""
