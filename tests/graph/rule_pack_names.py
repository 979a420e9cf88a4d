"""A model of today under names of another time."""

import re

import tensorflow as tf

v1 = tf.compat.v1


def called(build, *pairs):
    """Returns a builder of the same model whose variables have other names.

    It is how code that was never ported calls them: said here by hand for each model,
    and not by what rule packs know.

    Args:
      build: Makes its variables by ``get_variable``.
      *pairs: Regular expressions, and what comes in their place in whole names.
    """

    def get(getter, name, *args, **kwargs):
        for pattern, text in pairs:
            name = re.sub(pattern, text, name)
        return getter(name, *args, **kwargs)

    def build_renamed():
        scope = v1.get_variable_scope()
        with v1.variable_scope(scope, custom_getter=get, auxiliary_name_scope=False):
            return build()

    return build_renamed
