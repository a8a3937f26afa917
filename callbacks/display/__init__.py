"""What a user sees: the progress line, curves and pictures, warnings, the memory estimate."""
