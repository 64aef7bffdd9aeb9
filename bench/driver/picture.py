"""A chart with two logarithmic axes, as SVG."""

from math import ceil, floor, log10

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 70, 560, 50, 410
COLORS = ("#0b5394", "#3d85c6", "#38761d", "#674ea7", "#cc0000", "#e69138", "#c90076", "#7f6000",
          "#000000", "#999999", "#2aa198", "#b45f06")


def _scale(values, low, high):
    """Where a value is between two pixels; values are the ends of the axis."""
    first, last = log10(values[0]), log10(values[-1])
    return lambda value: low + (log10(value) - first) / (last - first) * (high - low)


def _grid(x_ticks, y_ticks, x, y):
    for value, text in x_ticks:
        yield (f'<line x1="{x(value):.1f}" y1="{TOP}" x2="{x(value):.1f}" y2="{BOTTOM}"/>'
               f'<text x="{x(value):.1f}" y="{BOTTOM + 20}" text-anchor="middle">{text}</text>')
    for value, text in y_ticks:
        yield (f'<line x1="{LEFT}" y1="{y(value):.1f}" x2="{RIGHT}" y2="{y(value):.1f}"/>'
               f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{text}</text>')


def _line(number, name, points, is_ours, x, y):
    style = f'stroke="{COLORS[number % len(COLORS)]}" fill="none" ' + (
        'stroke-width="3"' if is_ours else 'stroke-width="1.5" stroke-dasharray="6 3"')
    way = " ".join(f"{x(size):.1f},{y(ns):.1f}" for size, ns in sorted(points.items()))
    place = TOP + 10 + 24 * number
    return (f'<polyline {style} points="{way}"/>'
            f'<polyline {style} points="{RIGHT + 15},{place} {RIGHT + 45},{place}"/>'
            f'<text x="{RIGHT + 52}" y="{place + 4}">{name}</text>')


def log_chart(title, x_ticks, y_text, lines, ours):
    """The SVG of {name: {x: y}}. A tick of x is (value, text), those of y are decades, of which
    y_text says the text. The lines in ours are thick, the others dashed."""
    found = [value for points in lines.values() for value in points.values()]
    decades = range(floor(log10(min(found))), ceil(log10(max(found))) + 1)
    y_ticks = [(10 ** decade, y_text(10 ** decade)) for decade in decades]
    x = _scale([value for value, _ in x_ticks], LEFT, RIGHT)
    y = _scale([value for value, _ in y_ticks], BOTTOM, TOP)
    body = [*_grid(x_ticks, y_ticks, x, y),
            *(_line(number, name, points, name in ours, x, y)
              for number, (name, points) in enumerate(lines.items()))]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="{title}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        '<style>line { stroke: #d8dee6; } text { fill: #243b53; }</style>',
        f'<text x="{LEFT}" y="28" font-size="15" font-weight="bold">{title}</text>',
        *body, '</svg>', ''])
