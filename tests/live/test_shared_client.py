"""One client of another service, made on the serving loop, serves every view: `def` ones too, from their threads."""

from __future__ import annotations

import asyncio

import httpx2

from asyncflask import App, request


def test_one_client_and_its_connections_for_a_hundred_requests(app, serve):
    other, ports = App("other"), set()

    @other.get("/<int:n>")
    async def answered(n):
        ports.add(request.environ["REMOTE_PORT"])
        await asyncio.sleep(0.001)
        return {"n": n}

    made = []

    async def fetched(n):
        if not made:
            made.append(httpx2.AsyncClient(base_url=service.url, limits=httpx2.Limits(max_connections=5)))
        return (await made[0].get(f"/{n}")).json()

    @app.get("/async/<int:n>")
    async def view(n):
        return await fetched(n)

    @app.get("/def/<int:n>")
    def view_def(n):
        return app.async_to_sync(fetched)(n)

    @app.post("/close")
    async def close():
        await made[0].aclose()
        return ""

    service, server = serve(other), serve(app)

    async def ask_all():
        async with httpx2.AsyncClient(base_url=server.url, timeout=20) as client:
            paths = [f"/{kind}/{n}" for n in range(50) for kind in ("async", "def")]
            answers = await asyncio.gather(*(client.get(path) for path in paths))
            await client.post("/close")
        return [answer.json()["n"] for answer in answers]

    assert asyncio.run(ask_all()) == [n for n in range(50) for _ in range(2)]
    assert len(made) == 1
    assert len(ports) <= 5
