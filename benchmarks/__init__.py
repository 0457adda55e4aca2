"""
What the library costs, each figure beside a peer's, measured in the same run.

    python -m benchmarks

A file that measures something more has a function ``rows(place)`` for the table and one
``curves(place)`` for a plot, a line in ``MODULES`` of ``__main__``, and one in
``CHARTS`` of ``charts``, which says what the plot shows.
"""
