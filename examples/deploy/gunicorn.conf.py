"""gunicorn reads this file by itself: `gunicorn app:asgi`, or `gunicorn -k sync app:wsgi`."""

import os

bind = os.environ.get("BIND", "127.0.0.1:8000")
workers = 2
worker_class = "asgi"  # gunicorn's own, since 25; uvicorn_worker.UvicornWorker is in the package uvicorn-worker
graceful_timeout = 30  # seconds for requests that run when SIGTERM comes
timeout = 60  # a worker whose loop has stood still for so long is replaced; of a sync worker, any request
forwarded_allow_ips = ""  # ProxyFix in app.py does this, for one proxy and no more
