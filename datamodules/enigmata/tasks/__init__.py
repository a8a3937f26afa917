"""The 36 tasks of Enigmata (arXiv 2505.19914), one file each, with new prompts and new code.

`answers.py` parses answers, `task.py` has the base class of tasks.
"""
