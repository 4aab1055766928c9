"""On PYTHONPATH: every Python that is started, also by tests, finds asyncflask where it says ``import flask``.

Flask may be installed beside it, as extensions ask for it.
"""

import asyncflask

asyncflask.install_as_flask()
