"""`python -m app` is `passk`."""

from app.cli import main

if __name__ == "__main__":
    main()
