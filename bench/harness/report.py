"""Results as a table for people and as JSON lines for programs."""

import json


def number(value, digits):
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}f}"


def ratio(value):
    if value is None:
        return ""
    return f"×{value:.0f}" if value >= 99.5 else f"×{value:.1f}" if value >= 9.95 else f"×{value:.2f}"


def rows_of(result, case):
    """A header, and a row of cells for each candidate that has the case."""
    measurement = result.measurement
    present = [
        m for m in measurement.metrics if any(result.of(c.name, case, m.key) for c in measurement.candidates)
    ]
    header = [""]
    for metric in present:
        header += [f"{metric.label}, {metric.unit}" if metric.unit else metric.label, "min – max", "to simul"]
    rows = []
    for candidate in measurement.candidates:
        if case not in result.values.get(candidate.name, {}):
            continue
        cells = [candidate.name + (" (limit)" if candidate.role == "limit" else "")]
        for metric in present:
            values = result.of(candidate.name, case, metric.key)
            spread = (
                f"{number(min(values), metric.digits)} – {number(max(values), metric.digits)}"
                if values
                else ""
            )
            cells += [
                number(result.median(candidate.name, case, metric.key), metric.digits),
                spread,
                ""
                if candidate.name == result.base(case)
                else ratio(result.ratio(candidate.name, result.base(case), case, metric.key)),
            ]
        rows.append(cells)
    return header, rows


def floor_lines(result):
    for one in result.floors:
        sign = "≥" if one.floor.at_least else "≤"
        kept = "not measured" if one.figure is None else "kept" if one.kept else "MISSED"
        figure = "" if one.figure is None else f"{one.figure:.2f}{one.floor.unit} "
        yield f"{kept}: {one.floor.text}: {figure}(floor {sign} {one.floor.limit:g}{one.floor.unit})"


def text(result):
    lines = ["", f"{result.measurement.name}: {result.measurement.question}"]
    lines.append(
        f"  medians of {result.rounds} rounds, candidates in turn{'; QUICK: not to be quoted' if result.quick else ''}"
    )
    for case in result.cases:
        header, rows = rows_of(result, case)
        widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
        if case:
            lines += ["", f"  {case}"]
        for row in [header, *rows]:
            cells = [row[0].ljust(widths[0])] + [
                cell.rjust(width) for cell, width in zip(row[1:], widths[1:])
            ]
            lines.append(("  " + "  ".join(cells)).rstrip())
    lines.append("")
    lines += [f"  {line}" for line in floor_lines(result)]
    lines += [f"  left out: {name}: {why}" for name, why in result.left_out.items()]
    lines += [f"  note: {note}" for note in result.measurement.notes]
    return "\n".join(lines)


def markdown(result):
    lines = []
    for case in result.cases:
        header, rows = rows_of(result, case)
        if case:
            lines += [f"**{case}**", ""]
        lines.append("| " + " | ".join(header) + " |")
        lines.append("|---" + "|--:" * (len(header) - 1) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        lines.append("")
    lines += [f"* {line}" for line in floor_lines(result)]
    lines += [f"* left out: {name}: {' '.join(why.split())}" for name, why in result.left_out.items()]
    lines += [f"* {note}" for note in result.measurement.notes]
    lines.append(f"* medians of {result.rounds} rounds{'; QUICK: not to be quoted' if result.quick else ''}")
    return "\n".join(lines)


def json_records(result):
    """One record for each candidate, case and metric; then one for each floor and each candidate left out."""
    measurement = result.measurement
    for candidate in measurement.candidates:
        for case, metrics in result.values.get(candidate.name, {}).items():
            for metric in measurement.metrics:
                values = metrics.get(metric.key)
                if not values:
                    continue
                yield {
                    "measurement": measurement.name,
                    "case": case,
                    "candidate": candidate.name,
                    "role": candidate.role,
                    "metric": metric.key,
                    "unit": metric.unit,
                    "rounds": values,
                    "median": result.median(candidate.name, case, metric.key),
                    "min": min(values),
                    "max": max(values),
                    "ratio_to_simul": result.ratio(candidate.name, result.base(case), case, metric.key),
                    "quick": result.quick,
                }
    for one in result.floors:
        yield {
            "measurement": measurement.name,
            "floor": one.floor.text,
            "limit": one.floor.limit,
            "figure": one.figure,
            "kept": one.kept,
        }
    for name, why in result.left_out.items():
        yield {"measurement": measurement.name, "left_out": name, "why": why}


def json_line(record):
    return json.dumps(record, ensure_ascii=False)
