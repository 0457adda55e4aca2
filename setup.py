"""Build the package; all but the extension is in ``pyproject.toml``."""

import sysconfig

from setuptools import setup

# One wheel serves all versions of Python, but those without a GIL: before 3.15 these
# have no stable ABI.
has_gil = not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    cffi_modules=["build_ffi.py:ffibuilder"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if has_gil else {},
)
