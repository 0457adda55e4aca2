"""
What the library costs, each figure beside a peer's, measured in the same run.

    python -m benchmarks

A file that measures something more has a function ``rows(place)``, and a line in
``MODULES`` of ``__main__``.
"""
