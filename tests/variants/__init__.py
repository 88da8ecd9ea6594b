"""Derives every project that the questions can render from copier.yml and the template, without a hand-written list.

`questionnaire.py` finds the possible combinations of answers, `snippets.py` the answers that a piece of template reads,
`renderer.py` the content of a project, `matrix.py` the projects to test, and `proof.py` their errors.
"""
