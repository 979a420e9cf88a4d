"""Saved graphs as data: from the message in a file to one that can be imported.

Passes are functions from a ``MetaGraphDef`` to a ``MetaGraphDef``. Each takes over the
message that it is given, may change it, and returns it; the pipeline
(``importing/pipeline.py``) has the only reference. No graph is made here, and no
operation is run.
"""
