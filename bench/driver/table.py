"""Pairs of measurements, and the Markdown table of their comparison."""

import statistics

HEAD = """\
| case | heald | {peer} | ratio | must be | verdict |
|---|---:|---:|---:|---|---|"""


class Must:
    """What the ratio of a row must be. noise: the upper quartile of the pairs may meet it."""

    def __init__(self, sign, value, noise=False):
        self.sign, self.value, self.noise = sign, value, noise

    def __str__(self):
        return f"{self.sign} {self.value:g}" + (" within noise" if self.noise else "")

    def _met(self, ratio):
        return ratio >= self.value if self.sign == ">=" else ratio <= self.value

    def verdict(self, ratios):
        if self._met(statistics.median(ratios)):
            return "ok"
        if self.noise and len(ratios) > 3:
            best = statistics.quantiles(ratios, n=4)[2 if self.sign == ">=" else 0]
            if self._met(best):
                return "ok (noise)"
        return "miss"


def pairs(count, heald, peer):
    """Measures both sides by turns, A B, B A, so that neither has the better place: two lists of
    figures, empty for an absent side."""
    ours, theirs = [], []
    for i in range(count):
        order = ((heald, ours), (peer, theirs))
        for side, results in order if i % 2 == 0 else order[::-1]:
            result = side()
            if result is not None:
                results.append(result)
    return ours, theirs


def values(results, key):
    """One figure of each result; key is a name or a function of the result."""
    take = key if callable(key) else lambda result: result.get(key)
    return [value for value in map(take, results) if value is not None]


def _number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cell(figures, unit):
    return f"{_number(statistics.median(figures))} {unit}".rstrip() if figures else "absent"


def _ratio(ratios):
    text = f"{statistics.median(ratios):.2f}"
    if len(ratios) > 1:
        text += f" ({min(ratios):.2f} to {max(ratios):.2f})"
    return text


class Table:
    def __init__(self, title, note="", peer="peer"):
        self.title, self.note, self.peer, self.rows, self.causes = title, note, peer, [], []

    def add(self, case, ours, theirs, unit="", must=None, faster=False):
        """A row. ours and theirs are lists of one figure, in the order of the pairs. faster: the
        figures are times, and the ratio says how many times as fast heald is."""
        ratios = [(b / a if faster else a / b) for a, b in zip(ours, theirs) if a and b]
        cells = [case, _cell(ours, unit), _cell(theirs, unit), _ratio(ratios) if ratios else "",
                 str(must) if must else "", ""]
        if must:
            cells[-1] = must.verdict(ratios) if ratios else "absent"
        self.rows.append(cells)

    def explain(self, part, cause):
        """Why the rows whose case has this part in it miss, if they do."""
        self.causes.append((part, cause))

    def _missed(self, part):
        return any(part in cells[0] and cells[-1] == "miss" for cells in self.rows)

    def print(self):
        print(f"## {self.title}\n")
        if self.note:
            print(f"{self.note}\n")
        print(HEAD.format(peer=self.peer))
        for cells in self.rows:
            print("| " + " | ".join(cells) + " |")
        causes = [cause for part, cause in self.causes if self._missed(part)]
        if causes:
            print("\nWhy it falls short:\n\n" + "\n".join(f"* {cause}" for cause in causes))
        print(flush=True)
