"""Draws a result as SVG: a dot for each candidate's median, a line from its lowest to its highest round, on a logarithmic axis.

Dots and not bars, since the figures span up to four orders of magnitude and a bar on a logarithmic axis has no beginning.
"""

import math
from xml.sax.saxutils import escape

from .report import number

width, label_width, right = 760, 190, 90
row_height, case_height, axis_height = 22, 34, 26
colours = {"simul": "#c2410c", "peer": "#334155", "limit": "#64748b"}


def _axis(values):
    low, high = math.log10(min(values)), math.log10(max(values))
    low, high = (
        (low - 0.08, high + 0.08) if high - low > 0.3 else ((low + high) / 2 - 0.2, (low + high) / 2 + 0.2)
    )
    span = width - label_width - right
    return (lambda value: label_width + (math.log10(value) - low) / (high - low) * span), low, high


def _ticks(low, high):
    for power in range(math.floor(low), math.ceil(high) + 1):
        for factor in (1, 2, 5) if high - low < 2 else (1,):
            if low <= math.log10(factor * 10.0**power) <= high:
                yield factor * 10.0**power


def _tick_label(value):
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def svg(result):
    """The first metric of a measurement for each of its cases, or each metric where there is one case only."""
    measurement = result.measurement
    metrics = measurement.metrics if len(result.cases) == 1 else measurement.metrics[:1]
    out, y = [], 30
    out.append(f'<text x="12" y="20" class="t">{escape(measurement.name)}</text>')
    out.append(
        f'<text x="{width - 12}" y="20" class="a" text-anchor="end">median and range of {result.rounds} rounds, logarithmic axes</text>'
    )
    for case in result.cases:
        for metric in metrics:
            rows = [(c, result.of(c.name, case, metric.key)) for c in measurement.candidates]
            rows = [(c, values) for c, values in rows if values and min(values) > 0]
            if not rows:
                continue
            x, low, high = _axis([v for _, values in rows for v in values])
            better = "more is better" if metric.more_is_better else "less is better"
            title = " – ".join(
                part
                for part in [case, f"{metric.label}, {metric.unit}" if metric.unit else metric.label, better]
                if part
            )
            y += case_height
            out.append(f'<text x="12" y="{y - 12}" class="c">{escape(title)}</text>')
            bottom = y + row_height * len(rows)
            for tick in _ticks(low, high):
                out.append(
                    f'<line x1="{x(tick):.1f}" y1="{y - 4}" x2="{x(tick):.1f}" y2="{bottom}" stroke="#e2e8f0"/>'
                )
                out.append(
                    f'<text x="{x(tick):.1f}" y="{bottom + 14}" class="a" text-anchor="middle">{_tick_label(tick)}</text>'
                )
            for candidate, values in rows:
                middle = y + row_height / 2
                colour = colours[candidate.role]
                median = result.median(candidate.name, case, metric.key)
                out.append(
                    f'<text x="{label_width - 14}" y="{middle + 4}" text-anchor="end" fill="{colour}">{escape(candidate.name)}</text>'
                )
                out.append(
                    f'<line x1="{x(min(values)):.1f}" y1="{middle}" x2="{x(max(values)):.1f}" y2="{middle}" '
                    f'stroke="{colour}" stroke-width="3" stroke-opacity="0.45"/>'
                )
                out.append(f'<circle cx="{x(median):.1f}" cy="{middle}" r="5" fill="{colour}"/>')
                out.append(
                    f'<text x="{max(x(max(values)), x(median) + 5) + 8:.1f}" y="{middle + 4}" fill="{colour}">{number(median, metric.digits)}</text>'
                )
                y += row_height
            y += axis_height
    style = "text{font:12px sans-serif}.t{font:bold 15px sans-serif}.c{font-weight:bold;fill:#0f172a}.a{font-size:10px;fill:#64748b}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 6}" viewBox="0 0 {width} {y + 6}">'
        f'<style>{style}</style><rect width="100%" height="100%" fill="#ffffff"/>\n'
        + "\n".join(out)
        + "\n</svg>\n"
    )


def write(folder, results):
    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        (folder / f"{result.measurement.name}.svg").write_text(svg(result))
