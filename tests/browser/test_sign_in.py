"""Signing in and out, as a person does, and what a page of another site cannot do."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import PICTURES, UP, Visitor, axe, visitor
from tests.support.processes import Program, run_cli

LIBRARY = "Image Library"


def test_a_wrong_token_is_refused_and_the_right_one_signs_in(
    context: BrowserContext, program: Program
) -> None:
    page = context.new_page()
    page.goto(program.url + "/nodes")
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The token is not known here.")
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / "sign-in.png")
    assert axe(page) == []
    page.get_by_label("Token").fill(program.token)
    page.get_by_role("button", name="Sign in").click()
    # Where one wanted to go.
    expect(page.get_by_role("heading", level=1, name="Nodes")).to_be_visible()
    [cookie] = cast("list[Any]", context.cookies())
    assert cookie.get("name", "").startswith("__Host-")
    assert (cookie.get("httpOnly"), cookie.get("secure"), cookie.get("sameSite")) == (True, True, "Strict")
    assert program.token not in cookie.get("value", "")


def test_the_link_signs_in_once(context: BrowserContext, program: Program, env: dict[str, str]) -> None:
    link = run_cli(["web"], env).stdout.split()[-1]
    assert program.token not in link
    page = context.new_page()
    page.goto(link)
    expect(page.get_by_role("heading", level=1, name=LIBRARY)).to_be_visible()
    assert "#" not in page.url
    context.clear_cookies()
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_role("alert")).to_contain_text("used already")


def test_signing_out_ends_the_session(person: Visitor, context: BrowserContext) -> None:
    kept = cast("list[Any]", context.cookies())
    page = person.go("/settings")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert context.cookies() == []
    # Not only forgotten by the browser.
    context.add_cookies(
        [{"name": one["name"], "value": one["value"], "url": https(person.url)} for one in kept]
    )
    person.go("/settings")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def https(url: str) -> str:
    """Only for a secure address are secure cookies taken from a program."""
    return url.replace("http:", "https:")


def test_a_session_outlives_the_server(context: BrowserContext, env: dict[str, str]) -> None:
    with Program.start(UP, env) as program:
        person = visitor(context, program)
        where = program.url.removeprefix("http://")
    with Program.start(("up", "--json", "--listen", where), env):
        person.go("/nodes")
        expect(person.page.get_by_role("heading", level=1, name="Nodes")).to_be_visible()


def test_without_authentication_nobody_signs_in(context: BrowserContext, env: dict[str, str]) -> None:
    with Program.start((*UP, "--no-auth"), env) as program:
        page = context.new_page()
        page.goto(program.url)
        expect(page.get_by_role("heading", level=1, name=LIBRARY)).to_be_visible()


def test_a_page_of_another_site_changes_nothing(person: Visitor, context: BrowserContext) -> None:
    """Another port of the same host is the same site to SameSite, and another origin to us."""
    attack = f"""<script>
      const call = '{person.url}/limiquantix.storage.v1.ImageService/DownloadImage';
      const headers = {{'Content-Type': 'application/json'}};
      const body = JSON.stringify({{catalogId: 'debian-12'}});
      Promise.allSettled([
        fetch(call, {{method: 'POST', credentials: 'include', mode: 'no-cors', body}}),
        fetch(call, {{method: 'POST', credentials: 'include', headers, body}}),
        fetch('{person.url}/session', {{method: 'DELETE', credentials: 'include'}}),
      ]).then(() => document.title = 'tried');
    </script>"""
    with served(attack) as url:
        evil = context.new_page()
        evil.goto(url)
        expect(evil).to_have_title("tried")
    person.go("/storage/images?tab=jobs")
    expect(person.page.get_by_text("No jobs yet")).to_be_visible()


@contextmanager
def served(html: str) -> Generator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing to say."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()
