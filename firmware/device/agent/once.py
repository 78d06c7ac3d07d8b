"""Code that is needed now and then is not kept: it is loaded, run and thrown away."""

import gc
import sys


def once(module, function, passing, *arguments):
    """The result of a function of a module; the modules in `passing` are thrown away then: names, and packages that end with a dot."""
    words = passing.split()
    try:
        return getattr(__import__(module, None, None, (function,)), function)(*arguments)
    finally:
        for name in list(sys.modules):
            if name in words or ("." in name and name.split(".")[0] + "." in words):
                del sys.modules[name]
                if "." in name:
                    package, leaf = name.split(".")
                    if hasattr(sys.modules[package], leaf):
                        delattr(sys.modules[package], leaf)
        gc.collect()


def empty(module):
    """Take from a module that is thrown away all that it holds; nothing of it may be in use any more.

    The collector takes for a reference whatever a start has left on the C stack, and may keep a module for good because of it: an empty
    one takes little.
    """
    module.__dict__.clear()
