// Pages by hash, and tables that show a window of their rows. Text becomes text nodes, never markup.
(() => {
  "use strict";
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const number = new Intl.NumberFormat("en-US");
  root.classList.add("js");

  const make = (name, set = {}, ...kids) => {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(set)) {
      if (key === "class") node.className = value;
      else node.setAttribute(key, value);
    }
    node.append(...kids);
    return node;
  };
  const isPlain = (id) => /^[A-Za-z0-9_-]{1,64}$/.test(id);
  const say = (text) => { byId("said").textContent = text; };

  const bytes = (n) => {
    if (n < 1000) return n + "\u00a0B";
    const units = ["kB", "MB", "GB", "TB", "PB", "EB"];
    let unit = 0;
    for (n /= 1000; n >= 999.95 && unit < 5; n /= 1000) unit++;
    return n.toFixed(1) + "\u00a0" + units[unit];
  };
  const show = {
    word: (v, c) => c.w[v] ?? "?",
    number: (v) => number.format(v),
    bytes,
    percent: (v) => v.toFixed(1) + "%",
    bits: (v) => v.toFixed(1),
    time: (v) => {
      const at = new Date(v * 1000);
      return Number.isNaN(at.getTime()) ? String(v) : at.toISOString().slice(0, 16).replace("T", " ");
    },
  };
  const text = (value, column) =>
    value === null || value === "" ? "–" : (show[column.k] ?? String)(value, column);
  const isNumeric = (column) => ["number", "bytes", "percent", "bits"].includes(column.k);

  const content = (row, column, value) => {
    const shown = text(value, column);
    if (column.k === "word" && value !== null)
      return make("span", { class: `${column.c} ${column.c}-${shown}` }, shown);
    const id = column.k === "link" ? row[column.i] : null;
    if (id && isPlain(id)) return make("a", { href: `#${column.p}-${id}` }, shown);
    return document.createTextNode(shown);
  };

  class Grid {
    constructor(id, spec) {
      Object.assign(this, { id, spec, query: "", filters: new Map(), sort: null, texts: [] });
      this.box = byId("table-" + id);
      this.table = this.box.querySelector("table");
      this.body = this.table.tBodies[0];
      this.columns = spec.columns.map((column, at) => ({ ...column, at }));
      this.shown = this.columns.filter((column) => !column.h);
      this.order = spec.rows.map((_, at) => at);
      this.height = 31;
      this.drawn = "";
      this.tools();
      this.heads();
      this.box.addEventListener("scroll", () => this.draw(), { passive: true });
      new ResizeObserver(() => this.draw()).observe(this.box);
    }

    tools() {
      const tools = document.querySelector(`[data-table="${this.id}"]`);
      this.search = make("input", { type: "search", autocomplete: "off", spellcheck: "false" });
      tools.append(make("label", {}, "Search", this.search));
      this.search.addEventListener("input", () => { this.query = this.search.value; this.changed(); });
      this.selects = new Map();
      for (const column of this.columns.filter((c) => c.k === "word" && !c.h)) {
        const counts = column.w.map(() => 0);
        for (const row of this.spec.rows) if (row[column.at] !== null) counts[row[column.at]]++;
        if (counts.filter(Boolean).length < 2) continue;
        const select = make("select", {}, make("option", { value: "" }, "all"));
        column.w.forEach((word, at) => {
          if (counts[at]) select.append(make("option", { value: String(at) }, `${word} (${number.format(counts[at])})`));
        });
        select.addEventListener("change", () => { this.filter(column.n, select.value); this.changed(); });
        tools.append(make("label", {}, column.n, select));
        this.selects.set(column.n, select);
      }
      const clear = make("button", { type: "button", class: "plain-button" }, "Clear");
      clear.addEventListener("click", () => { this.set(new URLSearchParams()); this.changed(); this.search.focus(); });
      this.count = make("output", {});
      tools.append(clear, this.count);
      tools.hidden = false;
    }

    heads() {
      [...this.table.tHead.rows[0].cells].forEach((cell, at) => {
        const column = this.shown[at];
        const button = make("button", { type: "button" }, column.n);
        button.addEventListener("click", () => {
          const first = isNumeric(column) || column.k === "time" ? "descending" : "ascending";
          const other = first === "ascending" ? "descending" : "ascending";
          const again = this.sort && this.sort.column === column;
          this.sort = again && this.sort.way === other ? null : { column, way: again ? other : first };
          this.changed();
        });
        cell.replaceChildren(button);
        column.head = cell;
      });
    }

    filter(name, value) {
      if (value === "") this.filters.delete(name);
      else this.filters.set(name, Number(value));
    }

    // What the address says.
    set(params) {
      this.query = params.get("q") ?? "";
      this.search.value = this.query;
      this.filters.clear();
      for (const [name, select] of this.selects) {
        select.value = params.get(name) ?? "";
        this.filter(name, select.value);
      }
      const column = this.shown.find((c) => c.n === params.get("sort"));
      this.sort = column ? { column, way: params.has("desc") ? "descending" : "ascending" } : null;
      this.apply();
    }

    params() {
      const params = new URLSearchParams();
      if (this.query) params.set("q", this.query);
      for (const [name, value] of this.filters) params.set(name, value);
      if (this.sort) {
        params.set("sort", this.sort.column.n);
        if (this.sort.way === "descending") params.set("desc", "1");
      }
      const said = params.toString().replaceAll("+", "%20");
      return said ? `?${said}` : "";
    }

    changed() {
      this.apply();
      if (!root.classList.contains("all")) history.replaceState(null, "", `#${this.id}${this.params()}`);
      say(this.count.value);
    }

    text(at) {
      const row = this.spec.rows[at];
      return this.texts[at] ??= this.columns
        .filter((c) => c.k !== "number" && c.k !== "bits" && c.k !== "percent" && c.k !== "bytes")
        .map((c) => (row[c.at] === null ? "" : text(row[c.at], c)))
        .join("\n").toLowerCase();
    }

    apply() {
      const rows = this.spec.rows;
      const words = this.query.toLowerCase().split(/\s+/).filter(Boolean);
      const filters = [...this.filters].map(([name, value]) => [this.columns.find((c) => c.n === name).at, value]);
      const order = [];
      for (let at = 0; at < rows.length; at++) {
        if (filters.every(([column, value]) => rows[at][column] === value) &&
            (!words.length || words.every((word) => this.text(at).includes(word)))) order.push(at);
      }
      for (const column of this.shown) column.head.removeAttribute("aria-sort");
      if (this.sort) {
        const { column, way } = this.sort;
        const sign = way === "ascending" ? 1 : -1;
        column.head.setAttribute("aria-sort", way);
        order.sort((a, b) => {
          const [x, y] = [rows[a][column.at], rows[b][column.at]];
          if (x === y) return a - b;
          if (x === null) return 1;
          if (y === null) return -1;
          return (x < y ? -1 : 1) * sign;
        });
      }
      this.order = order;
      const all = rows.length + this.spec.left;
      this.count.value = order.length === all
        ? `${number.format(all)} ${this.spec.noun}`
        : `${number.format(order.length)} of ${number.format(all)} ${this.spec.noun}`;
      this.table.setAttribute("aria-rowcount", order.length + 1);
      this.box.scrollTop = 0;
      this.drawn = "";
      this.draw();
    }

    row(place) {
      const row = this.spec.rows[this.order[place]];
      const line = make("tr", { "aria-rowindex": place + 2 });
      for (const column of this.shown) {
        const value = row[column.at];
        const cell = make("td", {}, content(row, column, value));
        if (isNumeric(column)) cell.className = "n";
        else if (column.k === "code") cell.className = "code";
        if (typeof value === "string" && value.length > 18) cell.title = value;
        line.append(cell);
      }
      return line;
    }

    pad(rows) {
      const cell = make("td", { colspan: this.shown.length });
      cell.style.height = rows * this.height + "px";
      return make("tr", { class: "pad", "aria-hidden": "true" }, cell);
    }

    // Some rows before and after what can be seen; room for the others.
    draw(most) {
      if (!most && !this.box.clientHeight) return;
      const first = most ? 0 : Math.max(0, Math.floor(this.box.scrollTop / this.height) - 12);
      const count = most ?? Math.ceil(this.box.clientHeight / this.height) + 24;
      const last = Math.min(this.order.length, first + count);
      const key = `${first} ${last}`;
      if (key === this.drawn) return;
      this.drawn = key;
      const lines = [];
      if (first > 0) lines.push(this.pad(first));
      for (let place = first; place < last; place++) lines.push(this.row(place));
      if (!most && last < this.order.length) lines.push(this.pad(this.order.length - last));
      if (!this.order.length) lines.push(make("tr", {}, make("td", { colspan: this.shown.length, class: "quiet" }, "Nothing fits.")));
      this.body.replaceChildren(...lines);
      const real = lines.find((line) => !line.className)?.getBoundingClientRect().height;
      if (real && !most && Math.abs(real - this.height) > 0.2) {
        this.height = real;
        this.drawn = "";
        this.draw();
      }
    }
  }

  const grids = new Map(Object.entries(data).map(([id, spec]) => [id, new Grid(id, spec)]));

  // A row with everything that is known of it.
  const dialog = byId("detail");
  let behind = "#overview";
  const detail = (id) => {
    const grid = grids.get("rules");
    const key = grid.columns.find((column) => column.n === "Rule").at;
    const at = grid.spec.rows.findIndex((row) => row[key] === id);
    if (at < 0) return false;
    const row = grid.spec.rows[at];
    byId("detail-title").textContent = id;
    const list = make("dl", { class: "facts" });
    for (const column of grid.columns) {
      const value = row[column.at];
      if (column.at === key || value === null || value === "") continue;
      list.append(make("div", { title: column.a }, make("dt", {}, column.n), make("dd", {}, content(row, column, value))));
    }
    const search = new URLSearchParams({ q: id }).toString();
    const findings = grids.get("findings");
    const about = findings.spec.rows.filter((_, n) => findings.text(n).includes(id.toLowerCase()));
    if (about.length) list.append(make("div", {}, make("dt", {}, "Findings"), make("dd", {}, make("a", { href: `#findings?${search}` }, `${about.length} that name it`))));
    byId("detail-body").replaceChildren(list);
    if (!dialog.open) dialog.showModal();
    return true;
  };
  dialog.addEventListener("close", () => {
    if (location.hash.startsWith("#rule-")) history.replaceState(null, "", behind);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  const parents = { finding: "findings", group: "groups", interface: "interfaces", rule: "rules" };
  const decode = (raw) => {
    try { return decodeURIComponent(raw); } catch { return raw; }
  };
  let current = null;
  const go = (event) => {
    const hash = location.hash.slice(1);
    const cut = hash.indexOf("?");
    const name = decode(cut < 0 ? hash : hash.slice(0, cut)) || "overview";
    const params = new URLSearchParams(cut < 0 ? "" : hash.slice(cut + 1));
    if (name === "main") return;
    const kind = name.split("-", 1)[0];
    if (kind === "rule" && name !== "rules") {
      if (!current) open("rules", params);
      if (detail(name.slice(5))) return;
    }
    if (dialog.open) dialog.close();
    root.classList.toggle("all", name === "all");
    const target = name === "all" ? byId("overview") : byId(name);
    let page = target?.closest(".page");
    if (!page && parents[kind]) {
      params.set("q", name.slice(kind.length + 1));
      page = byId(kind === "group" ? "rules" : parents[kind]);
    }
    open((page ?? byId("overview")).id, params);
    const fresh = target && target !== page && name !== "all";
    if (event || fresh) {
      if (fresh) target.scrollIntoView({ block: "center" });
      else scrollTo(0, 0);
      if (event) (fresh ? target.querySelector("a, [tabindex]") : byId(current).querySelector("h1, h2"))?.focus({ preventScroll: true });
    }
    behind = location.hash || "#overview";
    mark(name === "all" ? "all" : null);
  };
  const open = (id, params) => {
    for (const page of document.querySelectorAll(".page.on")) page.classList.remove("on");
    byId(id).classList.add("on");
    current = id;
    if (grids.has(id)) grids.get(id).set(params);
    else if (root.classList.contains("all")) for (const grid of grids.values()) grid.apply();
    mark(null);
  };
  const mark = (name) => {
    const at = name ?? parents[current.split("-", 1)[0]] ?? current;
    for (const link of document.querySelectorAll(".side a")) {
      if (link.getAttribute("href") === "#" + at) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  };
  addEventListener("hashchange", go);
  go(null);
  // A browser goes to the place of the hash, below the header, once all is there.
  if (byId(current).contains(byId(decode(location.hash.slice(1)))) === false || location.hash === `#${current}`)
    addEventListener("load", () => requestAnimationFrame(() => scrollTo(0, 0)));

  // A printed table can't be scrolled.
  const PRINTED = 400;
  addEventListener("beforeprint", () => { for (const grid of grids.values()) { grid.drawn = ""; grid.draw(PRINTED); } });
  addEventListener("afterprint", () => { for (const grid of grids.values()) { grid.drawn = ""; grid.draw(); } });

  if (navigator.clipboard) {
    for (const block of document.querySelectorAll(".cmd")) {
      const command = block.textContent;
      const button = make("button", { type: "button", class: "copy" }, "Copy");
      button.addEventListener("click", () => {
        navigator.clipboard.writeText(command).then(
          () => { button.textContent = "Copied"; say("Copied"); },
          () => { button.textContent = "Failed"; },
        );
      });
      block.append(button);
    }
  }
})();
