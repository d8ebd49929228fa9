"""Results on paper: text, Markdown, SVG. Results are rows, as dictionaries."""

import statistics


def table(head, rows):
    widths = [max(len(str(r[i])) for r in [head, *rows])
              for i in range(len(head))]
    return "\n".join(
        "  ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w)
                  for i, (c, w) in enumerate(zip(r, widths))).rstrip()
        for r in [head, *rows])


def markdown(head, rows):
    return "\n".join("| " + " | ".join(map(str, r)) + " |" for r in [
        head, ["---"] + ["--:"] * (len(head) - 1), *rows])


def number(n, unit=""):
    if n is None:
        return "-"
    return ("%.0f" if n >= 100 else "%.1f" if n >= 10 else "%.2f") % n + unit


def median(rows, field):
    found = [r[field] for r in rows if r.get(field) is not None]
    return statistics.median(found) if found else None


COLOURS = ["#d9480f", "#1971c2", "#2f9e44", "#9c36b5", "#e67700", "#0c8599",
           "#868e96", "#495057"]


def bars(title, cells):
    """SVG: for each cell (a title and its name-value pairs) bars, shorter is
    better."""
    width, left, bar = 760, 190, 16
    lines, y = [], 34
    names = list(dict.fromkeys(n for _, pairs in cells for n, _ in pairs))
    for cell, pairs in cells:
        y += 14
        lines.append('<text x="8" y="%d" font-weight="bold">%s</text>' % (
            y, cell))
        y += 8
        most = max(v for _, v in pairs)
        for name, value in pairs:
            long = max(1, (width - left - 80) * value / most)
            lines.append(
                '<text x="%d" y="%d" text-anchor="end">%s</text>'
                '<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>'
                '<text x="%.1f" y="%d">%s</text>' % (
                    left - 8, y + 12, name, left, y, long, bar - 4,
                    COLOURS[names.index(name) % len(COLOURS)],
                    left + long + 6, y + 11, number(value)))
            y += bar
        y += 10
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
            'font-family="sans-serif" font-size="12">'
            '<rect width="100%%" height="100%%" fill="white"/>'
            '<text x="8" y="20" font-size="14" font-weight="bold">%s</text>'
            '%s</svg>\n' % (width, y, title, "\n".join(lines)))
