"""Draws the growth curves as SVG: four small panels, nothing but the standard library, the same bytes for the same figures."""

import math

WIDTH, HEIGHT = 880, 660
PANEL_W, PANEL_H = 300, 210
COLUMNS = (75, 500)
ROWS = (95, 405)

# Colours for light and dark ground, in rules and not in variables: not every viewer of SVG knows these.
LIGHT = {"ground": "#ffffff", "ink": "#1f2328", "soft": "#59636e", "grid": "#d8dee4",
         "a": "#0b62c4", "b": "#b3470a", "c": "#1a7f37"}
DARK = {"ground": "#0d1117", "ink": "#e6edf3", "soft": "#9198a1", "grid": "#30363d",
        "a": "#6cb0ff", "b": "#ffa657", "c": "#56d364"}


def colours(of, indent):
    """The rules that say what has which colour."""
    rules = ["text { fill: soft }", ".head, .title { fill: ink }", ".ground, .dot { fill: ground }",
             ".grid { stroke: grid }", ".axis { stroke: soft }", ".a { stroke: a } .ta { fill: a }",
             ".b { stroke: b } .tb { fill: b }", ".c { stroke: c } .tc { fill: c }"]
    for name, colour in of.items():
        rules = [rule.replace(f": {name} }}", f": {colour} }}") for rule in rules]
    return "".join(f"{indent}{rule}\n" for rule in rules)


STYLE = f"""
  text {{ font: 12px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif }}
  .head {{ font-size: 16px; font-weight: 600 }}
  .title {{ font-size: 13px; font-weight: 600 }}
  .grid, .axis {{ stroke-width: 1; fill: none }}
  .line {{ stroke-width: 2; fill: none; stroke-linejoin: round }}
  .b {{ stroke-dasharray: 7 3 }} .c {{ stroke-dasharray: 2 3 }}
  .dot {{ stroke-width: 2; stroke-dasharray: none }}
{colours(LIGHT, "  ")}  @media (prefers-color-scheme: dark) {{
{colours(DARK, "    ")}  }}
"""


def short(number: float) -> str:
    """1000000 as 1 M, 0.5 as 0.5."""
    for size, unit in ((1_000_000, " M"), (1_000, " k")):
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"


def _decades(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    return [10.0**n for n in range(first, max(last, first + 1) + 1)]


def _steps(high: float) -> list[float]:
    """Four to seven round numbers from zero to above `high`."""
    raw = high / 5
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * n for n in (1, 2, 2.5, 5, 10) if size * n >= raw)
    return [step * n for n in range(math.ceil(high / step - 1e-9) + 1)]


class Panel:
    """One chart: `series` is a list of (name, [(x, y)]); x is logarithmic, y as `log_y` says."""

    def __init__(self, left, top, title, x_label, y_label, series, log_y=False):
        self.left, self.top = left, top
        self.title, self.x_label, self.y_label = title, x_label, y_label
        self.series = [(name, sorted(points)) for name, points in series if points]
        self.log_y = log_y
        xs = [x for _, points in self.series for x, _ in points]
        ys = [y for _, points in self.series for _, y in points]
        self.span = min(xs), max(max(xs), 10 * min(xs))
        self.x_ticks = [tick for tick in _decades(*self.span) if self.span[0] <= tick <= self.span[1]]
        self.y_ticks = _decades(min(ys), max(ys)) if log_y else _steps(max(ys))

    def x(self, value):
        low, high = map(math.log10, self.span)
        return self.left + PANEL_W * (math.log10(value) - low) / (high - low)

    def y(self, value):
        ticks = [math.log10(t) for t in self.y_ticks] if self.log_y else self.y_ticks
        value = math.log10(value) if self.log_y else value
        return self.top + PANEL_H * (1 - (value - ticks[0]) / (ticks[-1] - ticks[0]))

    def draw(self) -> list[str]:
        right, bottom = self.left + PANEL_W, self.top + PANEL_H
        out = [f'<text class="title" x="{self.left}" y="{self.top - 32}">{self.title}</text>']
        out.append(f'<text x="{self.left}" y="{self.top - 14}">{self.y_label}</text>')
        for tick in self.y_ticks:
            y = self.y(tick)
            out.append(f'<path class="grid" d="M{self.left} {y:.1f}H{right}"/>')
            out.append(f'<text x="{self.left - 8}" y="{y + 4:.1f}" text-anchor="end">{short(tick)}</text>')
        for tick in self.x_ticks:
            x = self.x(tick)
            out.append(f'<path class="axis" d="M{x:.1f} {bottom}v5"/>')
            out.append(f'<text x="{x:.1f}" y="{bottom + 19}" text-anchor="middle">{short(tick)}</text>')
        out.append(f'<path class="axis" d="M{self.left} {bottom}H{right}"/>')
        middle = self.left + PANEL_W / 2
        out.append(f'<text x="{middle:g}" y="{bottom + 38}" text-anchor="middle">{self.x_label}</text>')
        for letter, (_, points) in zip("abc", self.series):
            path = "L".join(f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)
            out.append(f'<path class="line {letter}" d="M{path}"/>')
            out += [
                f'<circle class="dot {letter}" cx="{self.x(x):.1f}" cy="{self.y(y):.1f}" r="3.5"/>' for x, y in points
            ]
        return out + self._names()

    def _names(self) -> list[str]:
        """Names at the ends of the lines, moved apart where they would meet."""
        ends = [(self.y(points[-1][1]), letter, name) for letter, (name, points) in zip("abc", self.series)]
        out, last = [], -math.inf
        for y, letter, name in sorted(ends):
            last = y = max(y, last + 15)
            out.append(f'<text class="t{letter}" x="{self.left + PANEL_W + 9}" y="{y + 4:.1f}">{name}</text>')
        return out


def draw(results: dict) -> str:
    """The picture of the sections `growth`, `judge` and `rules`; a section that was not measured leaves its place empty."""
    places = [(left, top) for top in ROWS for left in COLUMNS]
    panels = []
    growth = results.get("growth")
    if growth:

        def curve(sources, key, scale):
            return [(p["records"], p[key] / scale) for p in growth["points"] if p["sources"] == sources]

        names = (("mixed", "mixed"), ("distinct", "scan"))
        panels.append(
            Panel(*places[0], "Time", "records", "seconds",
                  [(name, curve(s, "seconds", 1)) for s, name in names], log_y=True)
        )
        panels.append(
            Panel(*places[1], "Memory", "records", "peak memory, MB",
                  [(name, curve(s, "peak_kb", 1000)) for s, name in names])
        )
    for place, section, key, title, label in (
        (places[2], "judge", "nanoseconds", "Judging one connection", "nanoseconds"),
        (places[3], "rules", "seconds", "A whole run of {records} records", "seconds, the inventory's files included"),
    ):
        measured = results.get(section)
        if measured:
            title = title.format(records=short(measured.get("records", 0)))
            series = [
                (name, [(p["n"], p[key]) for p in measured["points"] if p["series"] == name])
                for name in ("rules", "interfaces", "both")
            ]
            panels.append(Panel(*place, title, "rules, interfaces, or both", label, series))
    body = "\n".join(line for panel in panels for line in panel.draw())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'role="img" aria-label="Growth of time, memory and cost with records, rules and interfaces">\n'
        f"<style>{STYLE}</style>\n"
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>\n'
        f'<text class="head" x="24" y="32">flowgate analyze, two threads</text>\n{body}\n</svg>\n'
    )
