"""The plot of RESULTS.md: server CPU of a request for each workload and server, as bars on a logarithmic scale, in
plain SVG."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from measure import COST

GROUPS = {
    "W1": "List 20 users",
    "W1d": "List, from the end",
    "W2": "Get one user",
    "W3": "Update, durable",
    "W4": "Create a user",
}
ORDER = ("Rollbook", "PocketBase", "fastapi-users", "Go, net/http + SQLite", "bare uvicorn")
WIDTH, LEFT, RIGHT, TOP = 860, 152, 84, 78
BAR, GAP, BETWEEN = 16, 3, 20

# The colours follow the reader's theme, also where the file is shown as an image.
STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .quiet { font-size: 12px; fill: #59636e; }
  .group { font-weight: 600; }
  .value { font-size: 12px; paint-order: stroke; stroke: #ffffff; stroke-width: 4px; }
  .ours { font-weight: 700; }
  .ground { fill: #ffffff; }
  .line { stroke: #d1d9e0; stroke-width: 1; }
  .s0 { fill: #0a7d5a; } .s1 { fill: #7c8ba1; } .s2 { fill: #b3bdca; } .s3 { fill: #5b7db1; } .s4 { fill: #d9a441; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; }
    .quiet { fill: #9198a1; }
    .ground { fill: #0d1117; }
    .value { stroke: #0d1117; }
    .line { stroke: #2f353d; }
    .s0 { fill: #34c796; } .s1 { fill: #8a99ad; } .s2 { fill: #4f5b6b; } .s3 { fill: #6f95cf; } .s4 { fill: #c79a3f; }
  }
"""


def plot(standard: dict[str, Any]) -> str:
    """The file's text. Takes the figures of a standard run as results.json holds them."""
    cost = {
        (row["server"], row["workload"]): row[COST[row["workload"]]]
        for row in standard["rows"]
        if row["workload"] in GROUPS and not row["refused"] and not row["broken"]
    }
    servers = [name for name in ORDER if any(server == name for server, _ in cost)]
    low, high = 10.0, 10.0 ** math.ceil(math.log10(max([1000.0, *cost.values()])))

    def x(microseconds: float) -> float:
        share = math.log10(max(microseconds, low) / low) / math.log10(high / low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    body: list[str] = []
    y = TOP + 14
    for workload, title in GROUPS.items():
        present = [name for name in servers if (name, workload) in cost]
        middle = y + (len(present) * (BAR + GAP) - GAP) / 2
        body.append(
            f'<text class="group" x="{LEFT - 12}" y="{middle + 4:.0f}" text-anchor="end">{escape(title)}</text>'
        )
        for name in present:
            value, number = cost[name, workload], ORDER.index(name)
            width = max(x(value) - LEFT, 2)
            body.append(f'<rect class="s{number}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>')
            ours = " ours" if number == 0 else ""
            body.append(f'<text class="value{ours}" x="{LEFT + width + 6:.1f}" y="{y + 12}">{duration(value)}</text>')
            y += BAR + GAP
        y += BETWEEN - GAP
    bottom = y - BETWEEN + 10
    grid = []
    mark = low
    while mark <= high:
        grid.append(f'<line class="line" x1="{x(mark):.1f}" y1="{TOP}" x2="{x(mark):.1f}" y2="{bottom}"/>')
        grid.append(
            f'<text class="quiet" x="{x(mark):.1f}" y="{bottom + 18}" text-anchor="middle">{duration(mark)}</text>'
        )
        mark *= 10
    legend, at = [], LEFT
    for name in servers:
        legend.append(f'<rect class="s{ORDER.index(name)}" x="{at}" y="52" width="12" height="12" rx="2"/>')
        legend.append(f'<text x="{at + 18}" y="62.5">{escape(name)}</text>')
        at += 18 + 8 * len(name) + 22
    height = bottom + 32
    title = "Server CPU time of one request"
    caption = f"{standard['users']:,} users, one core, logarithmic scale: each line is ten times the one before"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" '
        f'aria-labelledby="title caption">\n<title id="title">{title}</title>\n<desc '
        f'id="caption">{caption}</desc>\n<style>{STYLE}</style>\n'
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>\n'
        f'<text class="title" x="{LEFT}" y="24">{title}</text>\n<text class="quiet" x="{LEFT}" '
        f'y="42">{caption}</text>\n' + "\n".join([*grid, *legend, *body]) + "\n</svg>\n"
    )


def duration(microseconds: float) -> str:
    """Three digits at most and the unit that fits: 8.89 ms."""
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size * 0.9995:
            value = microseconds / size
            return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"
    return f"{microseconds:.0f} µs"
