"""The report of a build as one HTML page: self-contained, without scripts, light and dark, readable when printed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from stack_data.reasons import BY_VALUE, READING
from stack_data.redacted import Replaced
from stack_data.report.attrition import human_bytes
from stack_data.report.facts import TOP, Bar, ReportFacts, Sample

_STYLE = """
:root{--ink:#1b1f24;--soft:#5b6570;--line:#e3e6ea;--paper:#fff;--card:#f7f8fa;--bar:#2f6f5e;--cut:#b4532a;--wash:#dcebe6}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#9aa5b1;--line:#2b3138;--paper:#14171b;--card:#1b1f25;
--bar:#5fb59d;--cut:#e08a5f;--wash:#23302c}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:1060px;margin:0 auto;padding:48px 24px 96px}h1{font-size:34px;line-height:1.2;margin:0 0 4px;letter-spacing:-.02em}
h2{font-size:20px;margin:56px 0 4px;letter-spacing:-.01em}p.lead,p.note{color:var(--soft);margin:0 0 20px;max-width:70ch}
.numbers{display:grid;grid-template-columns:repeat(6,1fr);gap:12px;margin:28px 0}
.numbers div{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.numbers b{display:block;font-size:24px;letter-spacing:-.02em;font-variant-numeric:tabular-nums}.numbers span{color:var(--soft);font-size:14px}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:0 40px}.two>section{min-width:0}
table{border-collapse:collapse;width:100%;font-size:14px}th{font-weight:600;text-align:left;color:var(--soft)}
td,th{padding:5px 8px 5px 0;border-bottom:1px solid var(--line);vertical-align:middle}td.n,th.n{text-align:right;
font-variant-numeric:tabular-nums;white-space:nowrap}td.name{max-width:340px;overflow-wrap:anywhere}td.bar{width:34%;padding-right:0}
svg{display:block;width:100%}rect.bar{fill:var(--bar)}rect.cut{fill:var(--cut)}rect.wash{fill:var(--wash)}
svg text{fill:var(--ink);font:13px system-ui,sans-serif}svg text.soft{fill:var(--soft)}
figure{margin:0}.samples{display:grid;grid-template-columns:repeat(auto-fit,minmax(460px,1fr));gap:16px}
.samples figure{background:var(--card);border:1px solid var(--line);border-radius:10px;overflow:hidden;min-width:0}
figcaption{padding:10px 14px;border-bottom:1px solid var(--line);font-size:13px;color:var(--soft);overflow-wrap:anywhere}
figcaption b{color:var(--ink)}pre{margin:0;padding:12px 14px;overflow:auto;font:12px/1.5 ui-monospace,monospace}
@media(max-width:900px){.numbers{grid-template-columns:repeat(3,1fr)}}
@media(max-width:560px){.numbers{grid-template-columns:repeat(2,1fr)}.two,.samples{grid-template-columns:1fr}td.bar{display:none}}
"""


def report_page(facts: ReportFacts) -> str:
    """Return the page."""
    kept_bytes = sum(bar.num_bytes for bar in facts.languages)
    body = [
        f"<h1>{escape(facts.name)}</h1>", '<p class="lead">What went into this build, what each step left out and why.</p>',
        _numbers(facts, kept_bytes), _missing(facts.missing), "<section><h2>From what was read to what is kept</h2>",
        '<p class="note">Bytes left after each reason. The coloured end of a bar is what the reason removed.</p>',
        _waterfall(facts, kept_bytes), "</section>", '<div class="two">',
        _chart("Languages", "By Linguist's names.", facts.languages),
        _chart("Licences", "Joined from all evidence of the displayed place.", facts.licenses),
        _chart("Where it comes from", "Repositories and packages with most kept bytes.", facts.repositories),
        _chart("File sizes", "Kept files.", facts.sizes), "</div>",
        _chart("Licence findings that cost most bytes", "Whose, and the first finding that decided against a file.", facts.causes),
        _replaced(facts.replaced), _samples(facts.samples),
    ]  # fmt: skip
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(facts.name)}: build report</title><style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(body)
        + "\n</main></body></html>\n"
    )


def _numbers(facts: ReportFacts, kept_bytes: int) -> str:
    fold = facts.fold
    cells = [
        (f"{fold.kept.num_rows:,}", "files kept"), (human_bytes(kept_bytes), "of text kept"),
        (f"{fold.num_entries:,}", "entries read"), (f"{len(facts.languages):,}", "languages"),
        (f"{len(facts.licenses):,}", "licence expressions"), (f"{facts.num_repositories:,}", "repositories"),
    ]  # fmt: skip
    return (
        '<div class="numbers">'
        + "".join(f"<div><b>{value}</b><span>{name}</span></div>" for value, name in cells)
        + "</div>"
    )


def _missing(missing: Sequence[tuple[str, str]]) -> str:
    """Name the sources that could not be read, on top: whatever follows is without them."""
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(reason)}</td></tr>" for name, reason in missing)
    head = "<tr><th>Source</th><th>Why</th></tr>"
    return f"<section><h2>Missing: could not be read</h2><table>{head}{rows}</table></section>" if missing else ""


def _waterfall(facts: ReportFacts, kept_bytes: int) -> str:
    """Draw bytes left after each reason. What was never read as text dwarfs everything, so it is only told."""
    steps = [one for one in facts.fold.attrition if one.stage not in READING]
    unread = [one for one in facts.fold.attrition if one.stage in READING]
    left = kept_bytes + sum(one.num_bytes for one in steps)
    total = max(left, 1)
    rows, height = [], 30
    labels = [("text read", left, 0, "")]
    for one in steps:
        left -= one.num_bytes
        labels.append((one.reason.replace("_", " "), left, one.num_bytes, BY_VALUE[one.reason].meaning))
    labels.append(("kept", left, 0, ""))
    for number, (name, remaining, removed, meaning) in enumerate(labels):
        y = number * height
        width, cut = 560 * remaining / total, 560 * removed / total
        title = f"<title>{escape(meaning)}</title>" if meaning else ""
        told = f"-{human_bytes(removed)}" if 0 < number < len(labels) - 1 else human_bytes(remaining)
        rows.append(
            f'<g>{title}<text x="0" y="{y + 19}">{escape(name)}</text><rect class="wash" x="210" y="{y + 6}" width="560" height="18" rx="3"/>'
            f'<rect class="bar" x="210" y="{y + 6}" width="{width:.1f}" height="18" rx="3"/>'
            f'<rect class="cut" x="{210 + width:.1f}" y="{y + 6}" width="{cut:.1f}" height="18" rx="3"/>'
            f'<text class="soft" x="785" y="{y + 19}">{told}</text></g>'
        )
    note = ", ".join(
        f"{one.num_files:,} {one.reason.replace('_', ' ')} ({human_bytes(one.num_bytes)})" for one in unread
    )
    more = f'<p class="note">Not read as text, and not drawn: {escape(note)}.</p>' if note else ""
    svg = (
        f'<svg viewBox="0 0 880 {len(labels) * height}" role="img" aria-label="Bytes left after each reason">'
        + "".join(rows)
        + "</svg>"
    )
    return f"<figure>{svg}</figure>{more}"


def _chart(title: str, note: str, bars: Sequence[Bar]) -> str:
    shown = bars[:TOP]
    most = max((bar.num_bytes for bar in shown), default=1) or 1
    rows = "".join(
        f'<tr><td class="name">{escape(bar.name)}</td><td class="n">{bar.num_files:,}</td><td class="n">{human_bytes(bar.num_bytes)}</td>'
        f'<td class="bar"><svg viewBox="0 0 100 12" height="12" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="bar" width="{100 * bar.num_bytes / most:.2f}" height="12"/></svg></td></tr>'
        for bar in shown
    )
    rest = f'<p class="note">and {len(bars) - TOP:,} more</p>' if len(bars) > TOP else ""
    head = '<tr><th>Name</th><th class="n">Files</th><th class="n">Size</th><th aria-label="share"></th></tr>'
    return f'<section><h2>{escape(title)}</h2><p class="note">{escape(note)}</p><table>{head}{rows}</table>{rest}</section>'


def _replaced(replaced: Sequence[Replaced]) -> str:
    rows = "".join(
        f'<tr><td>{escape(one.kind.replace("_", " "))}</td><td class="n">{one.num_files:,}</td><td class="n">{one.num_spans:,}</td></tr>'
        for one in replaced
    )
    head = '<tr><th>Kind</th><th class="n">Files</th><th class="n">Times</th></tr>'
    note = '<p class="note">Personal data and secrets in kept files; releases have placeholders there. Copyright lines stay.</p>'
    return f"<section><h2>Replaced</h2>{note}<table>{head}{rows}</table></section>" if replaced else ""


def _samples(samples: Sequence[Sample]) -> str:
    figures = "".join(
        f"<figure><figcaption><b>{escape(one.language)}</b> · {escape(one.license)}<br>{escape(one.place)}</figcaption>"
        f"<pre>{escape(one.lines)}</pre></figure>"
        for one in samples
    )
    return f'<section><h2>Samples of what is kept</h2><p class="note">First lines of one file per language.</p><div class="samples">{figures}</div></section>'
