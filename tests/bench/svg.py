"""A writer of SVG pictures, in the colours of whoever looks: dark ones for those who like it dark."""

from xml.sax.saxutils import escape, quoteattr

STYLE = """
text { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.faint { fill: #636c76; font-size: 12px }
.number { font-variant-numeric: tabular-nums }
.grid { stroke: #d8dee4; stroke-width: 1 }
.axis { stroke: #8c959f; stroke-width: 1 }
.mark { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 5 4 }
.other { fill: #a8b3bf; stroke: #a8b3bf }
.limit { fill: #57606a; stroke: #57606a }
.ours { fill: #0969da; stroke: #0969da }
.ours2 { fill: #1f883d; stroke: #1f883d }
.c1 { fill: #bc4c00; stroke: #bc4c00 }
.c2 { fill: #8250df; stroke: #8250df }
.c3 { fill: #bf3989; stroke: #bf3989 }
.c4 { fill: #9a6700; stroke: #9a6700 }
polyline { fill: none !important; stroke-width: 2; stroke-linejoin: round }
.whisker { stroke: #24292f; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.faint { fill: #9198a1 }
.grid { stroke: #30363d }
.axis { stroke: #6e7681 }
.mark { stroke: #ff7b72 }
.other { fill: #57606a; stroke: #57606a }
.limit { fill: #9198a1; stroke: #9198a1 }
.ours { fill: #4493f8; stroke: #4493f8 }
.ours2 { fill: #3fb950; stroke: #3fb950 }
.c1 { fill: #f0883e; stroke: #f0883e }
.c2 { fill: #ab7df8; stroke: #ab7df8 }
.c3 { fill: #f778ba; stroke: #f778ba }
.c4 { fill: #d29922; stroke: #d29922 }
.whisker { stroke: #e6edf3 }
}"""


class Picture:
    def __init__(self, width, height, title):
        self.width, self.height, self.title = width, height, title
        self.parts = []

    def _add(self, name, attributes, content=None):
        words = " ".join(f"{key.rstrip('_').replace('_', '-')}={quoteattr(_text(value))}" for key, value in attributes.items())
        self.parts.append(f"<{name} {words}/>" if content is None else f"<{name} {words}>{escape(content)}</{name}>")

    def text(self, x, y, text, kind="", anchor="start"):
        self._add("text", {"x": x, "y": y, "class_": kind, "text_anchor": anchor}, text)

    def line(self, x1, y1, x2, y2, kind):
        self._add("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class_": kind})

    def box(self, x, y, width, height, kind):
        self._add("rect", {"x": x, "y": y, "width": width, "height": height, "rx": 2, "stroke": "none", "class_": kind})

    def dot(self, x, y, kind, radius=3):
        self._add("circle", {"cx": x, "cy": y, "r": radius, "class_": kind})

    def path(self, points, kind):
        self._add("polyline", {"points": " ".join(f"{x:.1f},{y:.1f}" for x, y in points), "class_": kind})

    def __str__(self):
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}" '
                f'viewBox="0 0 {self.width} {self.height}" role="img" aria-label={quoteattr(self.title)}>')
        return "\n".join([head, f"<style>{STYLE}\n</style>", f"<title>{escape(self.title)}</title>", *self.parts, "</svg>\n"])


def _text(value):
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
