#!/usr/bin/env python3
"""Opens a report in headless Chromium and does what a reader does. Python's standard library only.

    drive.py CHROMIUM REPORT plain|hostile|large

Prints what failed, one a line, and ends with 1 if anything did.
"""

import base64
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATIENCE = 120


class Browser:
    """Chromium at the other end of a pipe, in the words of the DevTools protocol."""

    def __init__(self, chromium, profile):
        to_read, self.to = os.pipe()
        self.fro, to_write = os.pipe()
        # The protocol has file descriptors 3 and 4.
        command = [
            "bash", "-c", f'exec 3<&{to_read} 4>&{to_write}; exec "$@"', "browser", chromium, "--headless", "--no-sandbox",
            "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", f"--user-data-dir={profile}", "--remote-debugging-pipe", "about:blank",
        ]
        self.process = subprocess.Popen(
            command,
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(to_read)
        os.close(to_write)
        self.rest, self.events, self.number, self.session = b"", [], 0, None

    def receive(self, deadline):
        while b"\0" not in self.rest:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fro], [], [], left)[0]:
                raise TimeoutError("the browser says nothing")
            more = os.read(self.fro, 1 << 20)
            if not more:
                raise EOFError("the browser ended")
            self.rest += more
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self.receive(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        deadline = time.monotonic() + PATIENCE
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive(deadline))

    def open(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(f"{domain}.enable")

    def run(self, script):
        result = self.call("Runtime.evaluate", expression=f"(async () => {{ {script} }})()", awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']['exception'].get('description')}")
        return result["result"].get("value")

    def complaints(self):
        """What a console would show, and whatever was asked of a network."""
        found = []
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            if method == "Runtime.consoleAPICalled":
                found.append(f"console: {params['args']}")
            elif method == "Runtime.exceptionThrown":
                found.append(f"exception: {params['exceptionDetails']}")
            elif method == "Log.entryAdded":
                found.append(f"log: {params['entry']['text']}")
            elif method == "Network.requestWillBeSent" and params.get("type") != "Document":
                found.append(f"request: {params['request']['url']}")
            elif method == "Page.javascriptDialogOpening":
                found.append("a script of the data ran")
        return found


HELPERS = """
const settle = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
const go = async (hash) => { if (location.hash !== hash) { const changed = new Promise((done) => addEventListener('hashchange', done, { once: true })); location.hash = hash; await changed; } await settle(); };
const page = () => [...document.querySelectorAll('.page')].filter((p) => p.getClientRects().length).map((p) => p.id);
const grid = (id) => document.querySelector('#table-' + id);
const lines = (id) => [...grid(id).querySelectorAll('tbody tr[aria-rowindex]')];
const count = (id) => document.querySelector(`[data-table=${id}] output`).value;
const DATA = (window.readData ??= JSON.parse(document.getElementById("data").textContent));
const rows = (id) => DATA[id].rows;
const at = (id, name) => DATA[id].columns.findIndex((c) => c.n === name);
const type = async (id, text) => { const field = document.querySelector(`[data-table=${id}] input`); field.value = text; field.dispatchEvent(new Event('input')); await settle(); };
const head = (id, name) => [...grid(id).querySelectorAll('th button')].find((b) => b.textContent === name);
"""


class Reader:
    def __init__(self, browser):
        self.browser, self.failed, self.checked = browser, [], 0

    def check(self, name, script, wanted=True):
        self.checked += 1
        found = self.browser.run(HELPERS + script)
        if found != wanted:
            self.failed.append(f"{name}: {found!r}, not {wanted!r}")

    def every_page(self, all_at_once):
        self.check("begins with the overview", "return page()", ["overview"])
        for name in ["findings", "rules", "groups", "interfaces", "graph", "reading", "words"]:
            self.check(f"#{name}", f"await go('#{name}'); return page()", [name])
            self.check(f"#{name} is marked", "return document.querySelector('.side [aria-current]').getAttribute('href')", f"#{name}")
            self.check(f"#{name} has the focus", f"return document.activeElement.closest('.page')?.id", name)
        self.check("back goes back", "await go('#rules'); await go('#words'); history.back(); await new Promise((d) => addEventListener('hashchange', d, { once: true })); await settle(); return page()", ["rules"])
        self.check("nonsense is the overview", "await go('#%E0%A4%A'); return page()", ["overview"])
        if all_at_once:
            self.check("all pages", "await go('#all'); return page().length > 8")

    def findings(self):
        self.check(
            "each row of a finding leads to its page",
            """
            await go('#findings');
            const links = lines('findings').slice(0, 5).map((line) => line.querySelector('a').getAttribute('href'));
            for (const link of links) { await go(link); if (page().join() !== link.slice(1)) return link; }
            return links.length > 0;
            """,
        )

    def rules(self):
        self.check("all rules are counted", "await go('#rules'); return count('rules') === rows('rules').length.toLocaleString('en-US') + ' rules'")
        self.check("a window of rows is drawn", "return lines('rules').length > 0 && lines('rules').length < 200")
        self.check(
            "search narrows",
            """
            const id = rows('rules')[rows('rules').length - 1][at('rules', 'Rule')];
            await type('rules', id.toUpperCase());
            return lines('rules').length === 1 && lines('rules')[0].textContent.includes(id) && location.hash.startsWith('#rules?q=');
            """,
        )
        self.check("search for nothing", "await type('rules', 'no such rule anywhere'); return lines('rules').length === 0 && grid('rules').textContent.includes('Nothing fits')")
        self.check("clear", "document.querySelector('[data-table=rules] button').click(); await settle(); return count('rules') === rows('rules').length.toLocaleString('en-US') + ' rules'")
        self.check(
            "sort by connections",
            """
            const button = head('rules', 'Connections'); const column = at('rules', 'Connections');
            const first = () => Number(lines('rules')[0].cells[column].textContent.replaceAll(',', ''));
            const all = rows('rules').map((row) => row[column]);
            button.click(); await settle();
            const most = first() === Math.max(...all) && button.parentNode.getAttribute('aria-sort') === 'descending';
            button.click(); await settle();
            const least = first() === Math.min(...all) && button.parentNode.getAttribute('aria-sort') === 'ascending';
            button.click(); await settle();
            return most && least && !button.parentNode.hasAttribute('aria-sort');
            """,
        )
        self.check(
            "filter by class, as many as the data has",
            """
            const select = [...document.querySelectorAll('[data-table=rules] label')].find((l) => l.textContent.startsWith('Class')).querySelector('select');
            const option = select.options[1]; select.value = option.value; select.dispatchEvent(new Event('change')); await settle();
            const wanted = rows('rules').filter((row) => row[at('rules', 'Class')] === Number(option.value)).length;
            const right = grid('rules').querySelector('table').getAttribute('aria-rowcount') === String(wanted + 1) && wanted > 0;
            select.value = ''; select.dispatchEvent(new Event('change')); await settle();
            return right;
            """,
        )
        self.check(
            "a filter in the address",
            "await go('#rules?Class=1'); return lines('rules').every((line) => line.textContent.includes('unused')) && lines('rules').length > 0",
        )
        self.check(
            "the detail of a rule, and back",
            """
            await go('#rules');
            const row = rows('rules')[0], id = row[at('rules', 'Rule')];
            await go('#rule-' + id);
            const dialog = document.getElementById('detail');
            const shown = dialog.open && dialog.textContent.includes(id) && dialog.textContent.includes('Connections');
            dialog.close(); await new Promise((done) => setTimeout(done, 50)); await settle();
            return shown && page().join() === 'rules' && location.hash === '#rules';
            """,
        )

    def scrolls(self):
        self.check(
            "the last row can be seen, and every row between has its place",
            """
            await go('#rules');
            const box = grid('rules'); let seen = new Set();
            const rows_ = rows('rules').length;
            for (const part of [0, 0.25, 0.5, 0.75, 1]) {
              box.scrollTop = box.scrollHeight * part; await settle(); await settle();
              for (const line of lines('rules')) seen.add(Number(line.getAttribute('aria-rowindex')) - 2);
              const top = box.getBoundingClientRect();
              const inside = lines('rules').filter((l) => { const r = l.getBoundingClientRect(); return r.bottom > top.top + 40 && r.top < top.bottom; });
              if (inside.length < 5) return `nothing at ${part}`;
            }
            return seen.has(0) && seen.has(rows_ - 1);
            """,
        )

    def quick(self):
        for name, script in {
            "search": "await type('rules', 'sgr 7 used'); ",
            "sort": "await type('rules', ''); head('rules', 'Peer').click(); grid('rules').offsetHeight; ",
            "scroll": "grid('rules').scrollTop = 100000; grid('rules').dispatchEvent(new Event('scroll')); grid('rules').offsetHeight; ",
        }.items():
            took = self.browser.run(HELPERS + f"await go('#rules'); const begin = performance.now(); {script} return performance.now() - begin")
            print(f"{name}: {took:.0f} ms", file=sys.stderr)
            # Two frames of patience on a good machine; this one may be busy.
            self.checked += 1
            if took > 1500:
                self.failed.append(f"{name} takes {took:.0f} ms")

    def shown_well(self):
        for theme in ["light", "dark"]:
            self.browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
            self.check(
                f"{theme} is {theme}",
                "const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number); return r + g + b > 384",
                theme == "light",
            )
        self.browser.call("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=1, mobile=False)
        for name in ["overview", "findings", "rules", "groups", "interfaces", "graph", "reading", "words"]:
            self.check(f"#{name} is not wider than a telephone", f"await go('#{name}'); return document.documentElement.scrollWidth <= 390")
        self.browser.call("Emulation.clearDeviceMetricsOverride")
        self.browser.run(HELPERS + "await go('#overview')")
        printed = base64.b64decode(self.browser.call("Page.printToPDF", printBackground=False)["data"])
        self.checked += 1
        if not printed.startswith(b"%PDF") or len(printed) < 10_000:
            self.failed.append("it does not print")

    def named(self):
        self.check(
            "everything one can use has a name",
            """
            await go('#all');
            const nameless = [...document.querySelectorAll('a, button, input, select, [role=region], [role=img], dialog')].filter((e) =>
              !(e.textContent.trim() || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.labels?.length || e.querySelector('title')));
            return nameless.map((e) => e.outerHTML.slice(0, 80));
            """,
            [],
        )
        self.check("each data table has headers with a scope", "return [...document.querySelectorAll('thead th')].every((th) => th.getAttribute('scope') === 'col')")
        self.check("landmarks", "return ['header', 'nav', 'main', 'footer'].map((n) => document.querySelectorAll('body > ' + n).length)", [1, 1, 1, 1])
        self.check("one h1, and no level is skipped", "let last = 1; for (const h of document.querySelectorAll('main h1, main h2, main h3, main h4')) { const level = Number(h.tagName[1]); if (level > last + 1) return h.outerHTML; last = level; } return document.querySelectorAll('h1').length", 1)

    def guarded(self):
        """After everything else: it makes the browser complain."""
        self.browser.events.clear()
        self.browser.run(
            HELPERS + "document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.invalid/x.png\" onerror=\"window.ran = 1\"><p style=\"color: red\">x</p>');"
            "const script = document.createElement('script'); script.textContent = 'window.ran = 1'; document.body.append(script);"
            "await settle(); await new Promise((d) => setTimeout(d, 200));"
        )
        self.check("the policy stops what is put in", "return window.ran === undefined")
        refused = sum("Content Security Policy" in complaint for complaint in self.browser.complaints())
        self.checked += 1
        if refused < 3:
            self.failed.append(f"the policy refused {refused} of 4 things")


def main():
    chromium, report, world = sys.argv[1:]
    # Its helpers go on for a moment when the browser is gone, and may write while the directory is removed.
    with tempfile.TemporaryDirectory(prefix="flowgate-browser-", ignore_cleanup_errors=True) as profile:
        browser = Browser(chromium, profile)
        try:
            browser.open()
            browser.call("Page.navigate", url=Path(report).resolve().as_uri())
            browser.wait("Page.loadEventFired")
            reader = Reader(browser)
            # A large estate on one page is slow, and meant to be.
            reader.every_page(world != "large")
            if world != "hostile":
                reader.findings()
                reader.rules()
            if world == "plain":
                reader.named()
            if world == "large":
                reader.scrolls()
                reader.quick()
            else:
                reader.shown_well()
            reader.failed += browser.complaints()
            reader.check("nothing of the data ran", "return window.ran === undefined && window.alerted === undefined")
            reader.guarded()
        finally:
            os.killpg(browser.process.pid, signal.SIGKILL)
            browser.process.wait()
    for line in reader.failed:
        print(line)
    print(f"{reader.checked} checks of {report}", file=sys.stderr)
    return 1 if reader.failed else 0


if __name__ == "__main__":
    sys.exit(main())
