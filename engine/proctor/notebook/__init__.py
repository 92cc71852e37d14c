"""The check before training, as a data scientist meets it: `proctor.training(...)` in a notebook or a script.

Light: it imports neither the server nor MLflow before it has to.
"""
