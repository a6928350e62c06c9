"""The worker's pages: /health (the process answers), /ready (it serves), /metrics (Prometheus)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


def add_pages(app: Any, *, readiness: Callable[[], list[str]], registry: CollectorRegistry) -> None:
    """Add the pages to a Faust app; `readiness` names what is missing, nothing where the worker serves."""

    async def health(web: Any, request: Any) -> Any:
        return web.json({"status": "ok"})

    async def ready(web: Any, request: Any) -> Any:
        missing = readiness()
        return web.json({"ready": not missing, "missing": missing}, status=503 if missing else 200)

    async def metrics(web: Any, request: Any) -> Any:
        return web.bytes(generate_latest(registry), content_type=CONTENT_TYPE_LATEST.split(";")[0])

    for page in (health, ready, metrics):
        app.page(f"/{page.__name__}")(page)
