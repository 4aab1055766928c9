"""Attempts to have the debugger run code for somebody else: each one is refused, and runs nothing."""

from __future__ import annotations

import asyncio
import time

import pytest

from asyncflask.serving.debugger import DebuggedApplication

from .debugging import HTML, LOOPBACK, Visitor

FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "localhost.evil.example:5000"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},  # DNS rebinding
    {"Host": "192.168.0.7:5000"},
    {"Host": "[fe80::1]:5000"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "https://localhost:5000"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "http://[broken"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"X-Forwarded-For": "203.0.113.9"},
    {"Forwarded": "for=203.0.113.9"},
    {"X-Real-IP": "203.0.113.9"},
]
PEERS = [("192.168.0.7", 1), ("203.0.113.9", 1), ("::ffff:203.0.113.9", 1), ("2001:db8::1", 1), ("", 0), None]


@pytest.fixture
def ran():
    """What the code did that was to be run."""
    return []


@pytest.fixture
async def visitor(app, ran):
    app.testing, app.debug = False, True

    @app.get("/")
    async def fails():
        mark = ran.append
        raise TypeError(mark)

    visitor = Visitor(app)
    await visitor.open("/")
    yield visitor
    await visitor.leave()


def commands(visitor):
    """Everything that a page asks of the debugger, its files left out."""
    frame = visitor.frames[0]
    tb = next(iter(visitor.debugged._incidents._by_key))
    yield {"cmd": "mark(1)", "frm": frame}
    yield {"cmd": "mark(1)", "frm": 0}
    yield {"cmd": "pinauth", "pin": visitor.debugged.pin}
    yield {"cmd": "printpin"}
    yield {"tb": tb}
    yield {"__debugger__": "no", "path": "/console"}


async def refused(visitor, headers, client=None, says=""):
    for command in commands(visitor):
        answer = await visitor.ask(headers={"Accept": "text/html", **headers}, client=client, **command)
        assert answer.status_code == 403 and says in answer.text, command
        assert "set-cookie" not in answer.headers and "SECRET" not in answer.text


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_another_site_gets_nothing_even_with_secret_and_pin(visitor, headers, ran):
    await visitor.unlock()
    await refused(visitor, headers)
    assert not ran
    assert await visitor.run("mark(2)") == "" and ran == [2]


@pytest.mark.parametrize("peer", PEERS)
async def test_another_machine_gets_nothing_even_with_secret_and_pin(visitor, peer, ran):
    await visitor.unlock()
    async with visitor.from_peer(peer) as client:
        client.cookies = visitor.client.cookies
        await refused(visitor, {}, client, says="ASYNCFLASK_DEBUGGER_PEERS")
        page = await client.get("/", headers=HTML)
    assert "EVALEX = false" in page.text and visitor.debugged.secret not in page.text
    assert not ran


@pytest.mark.parametrize("peer", [LOOPBACK, ("127.9.9.9", 1), ("::1", 1), ("::ffff:127.0.0.1", 1)])
async def test_this_machine_has_several_addresses(visitor, peer, ran):
    async with visitor.from_peer(peer) as visitor.client:
        await visitor.unlock()
        await visitor.run("mark(1)")
    assert ran == [1]


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:8000", "http://[::1]:8000", "http://app.localhost", "https://localhost"]
)
async def test_this_machine_has_several_names(app, visitor, base, ran):
    one = Visitor(app, base=base)
    await one.open("/")
    assert one.is_interactive
    assert await one.unlock() == {"auth": True, "exhausted": False}
    await one.run("mark(1)", headers={"Origin": base, "Sec-Fetch-Site": "same-origin"})
    assert ran == [1]
    await one.leave()


async def test_a_foreign_name_gets_the_page_without_its_secret(visitor):
    page = await visitor.client.get("/", headers={**HTML, "Host": "evil.example"})
    assert page.status_code == 500 and "EVALEX = false" in page.text and visitor.debugged.secret not in page.text


async def test_a_page_that_another_site_led_to_is_interactive(visitor):
    await visitor.open("/", follow_redirects=False)
    page = await visitor.client.get("/", headers={**HTML, "Sec-Fetch-Site": "cross-site"})
    assert "EVALEX = true" in page.text


@pytest.mark.parametrize("secret", ["", "wrong", "ü", "x" * 20])
async def test_a_secret_is_needed(visitor, secret, ran):
    await visitor.unlock()
    for command in ({"cmd": "mark(1)", "frm": visitor.frames[0]}, {"cmd": "pinauth", "pin": visitor.debugged.pin}):
        answer = await visitor.ask(**command, s=secret)
        assert answer.status_code == 403 and "secret" in answer.text
    assert not ran


async def test_a_pin_is_needed(visitor, ran):
    for frame in (visitor.frames[0], 0):
        answer = await visitor.ask(cmd="mark(1)", frm=frame)
        assert answer.status_code == 403 and "Enter the PIN" in answer.text
    assert not ran


async def test_ten_wrong_pins_lock_it_and_nothing_sleeps(visitor, ran, monkeypatch):
    def sleep(seconds):
        raise AssertionError("a thread, perhaps the loop's, would have slept")

    monkeypatch.setattr(time, "sleep", sleep)
    wrong = await asyncio.gather(*(visitor.unlock(f"{number:09}") for number in range(30)))
    assert not any(answer["auth"] for answer in wrong)
    assert [answer["exhausted"] for answer in wrong].count(False) == 10
    assert await visitor.unlock() == {"auth": False, "exhausted": True}
    assert (await visitor.ask(cmd="mark(1)", frm=visitor.frames[0])).status_code == 403
    assert not ran


async def test_a_right_pin_forgives_the_wrong_ones(visitor):
    for _ in range(3):
        for number in range(9):
            assert not (await visitor.unlock(str(number)))["auth"]
        assert (await visitor.unlock(visitor.debugged.pin.replace("-", "")))["auth"]
        visitor.client.cookies.clear()


async def test_a_forged_cookie_counts_as_a_wrong_pin(visitor, ran):
    visitor.client.cookies.set(visitor.debugged.pin_cookie_name, f"{int(time.time())}|forged")
    answers = [await visitor.unlock("1") for _ in range(10)]
    assert not any(answer["auth"] for answer in answers)
    visitor.client.cookies.clear()
    assert await visitor.unlock() == {"auth": False, "exhausted": True}


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ({"cmd": "pinauth"}, 400),
        ({"cmd": "unknown"}, 400),
        ({}, 400),
        ({"cmd": "mark(1)", "frm": "none"}, 404),
        ({"cmd": "mark(1)", "frm": "-5"}, 404),
        ({"cmd": "mark(1)", "frm": "9" * 40}, 404),
        ({"tb": "unknown"}, 404),
        ({"cmd": "resource", "f": "../../debug/__init__.py"}, 404),
        ({"cmd": "resource", "f": "\0"}, 404),
        ({"cmd": "resource", "f": "x" * 300}, 404),
        ({"cmd": "resource", "f": "."}, 404),
    ],
)
async def test_what_makes_no_sense_is_refused(visitor, command, status, ran):
    if "frm" in command:
        await visitor.unlock()
    assert (await visitor.ask(**command)).status_code == status
    assert not ran


async def test_what_the_debugger_says_is_escaped(visitor):
    answer = await visitor.ask(headers={"Host": "<b>x</b>"}, cmd="1", frm=0)
    assert "<b>" not in answer.text


async def test_others_are_let_in_if_told_so(app, visitor, monkeypatch, ran):
    async def may_run(peer, headers=None, **options):
        one = Visitor(app, peer, **options)
        await one.open("/")
        await one.ask(cmd="pinauth", pin=one.debugged.pin, headers=headers)
        answer = await one.ask(cmd="mark(1)", frm=one.frames[0], headers=headers)
        await one.leave()
        return answer.status_code == 200

    assert await may_run(("172.17.0.1", 1), trusted_peers=["10.0.0.1", "172.17.0.0/16"])
    assert not await may_run(("172.18.0.1", 1), trusted_peers=["10.0.0.1", "172.17.0.0/16"])
    assert await may_run(("203.0.113.9", 1), {"X-Forwarded-For": "203.0.113.10"}, trusted_peers="*")
    monkeypatch.setenv("ASYNCFLASK_DEBUGGER_PEERS", " 172.17.0.1, 2001:db8::/32 ")
    assert await may_run(("172.17.0.1", 1)) and await may_run(("2001:db8::7", 1))
    assert not await may_run(("172.17.0.2", 1))


async def test_a_host_is_trusted_if_told_so(app, visitor, ran):
    one = Visitor(app, base="http://dev.example:5000")
    await one.open("/")
    assert not one.is_interactive and "not called &#39;dev.example:5000&#39;. Open it by a name" in one.page.text
    one.debugged.trusted_hosts.append("dev.example")
    await one.open("/")
    assert one.is_interactive
    await one.leave()


@pytest.mark.parametrize("peers", [["here"], ["10.0.0.0/99"], "localhost"])
def test_a_peer_that_is_none_says_so(app, peers):
    with pytest.raises(ValueError, match="is no peer for the debugger"):
        DebuggedApplication(app, trusted_peers=peers)


async def test_without_pin_security_the_rest_holds(app, visitor, ran):
    one = Visitor(app, pin_security=False)
    await one.open("/")
    await one.run("mark(1)")
    assert ran == [1] and one.debugged.pin is None
    answer = await one.ask(cmd="mark(1)", frm=one.frames[0], headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    await one.leave()


async def test_the_pin_of_the_environment(app, visitor, monkeypatch):
    monkeypatch.setenv("WERKZEUG_DEBUG_PIN", "12-34")
    one = Visitor(app)
    await one.open("/")
    assert one.debugged.pin == "12-34"
    assert (await one.unlock("1234"))["auth"]
    await one.leave()
