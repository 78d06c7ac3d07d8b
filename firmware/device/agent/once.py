"""Code that is needed now and then is not kept: it is loaded, run and thrown away."""

import gc
import sys


def once(module, function, passing, *arguments):
    """The result of a function of a module; it and the modules whose names begin with a word of `passing` are thrown away then."""
    try:
        return getattr(__import__(module, None, None, (function,)), function)(*arguments)
    finally:
        for name in list(sys.modules):
            if any(name.startswith(start) for start in passing.split()):
                del sys.modules[name]
                if "." in name:
                    package, leaf = name.split(".")
                    if hasattr(sys.modules[package], leaf):
                        delattr(sys.modules[package], leaf)
        gc.collect()
