"""The 36 tasks of Enigmata (arXiv 2505.19914), one file each, in our own words and code.

`answers.py` reads what a model wrote, `task.py` says what a task is.
"""
