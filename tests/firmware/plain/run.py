# Runs the test_ functions of the modules named on the command line, on MicroPython. Ends with 1 at the first that fails.
import sys

for module_name in sys.argv[1:]:
    module = __import__(module_name)
    for name in sorted(dir(module)):
        if name.startswith("test_"):
            try:
                getattr(module, name)()
            except BaseException as exc:
                print(module_name, name)
                sys.print_exception(exc)
                sys.exit(1)
            print("ok", name)
