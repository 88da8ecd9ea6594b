"""Every project that the questions can render, derived from copier.yml and the template: nothing is listed by hand.

`questionnaire.py` knows which answers go together, `snippets.py` which answers a piece of template reads, `renderer.py`
what a project then holds, `matrix.py` which projects are looked at, `proof.py` what is said of them.
"""
