"""The tables of the coverage benchmark, from the records of its output file."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from support.tally import error_of, markdown, verdict

Setting = dict[str, Any]
Record = dict[str, Any]
Line = tuple[Setting, str, dict[str, Any], float, str]  # setting, method, counts, share, verdict

ROWS = "rows of the protocols"
SIMULATED = ("tests", "corrected", "protocol")
MARKS = {"in band": "", "too low": " low", "too high": " high"}


def describe(setting: Setting) -> str:
    """Return a setting in words."""
    return ", ".join(f"{name} {value}" for name, value in setting.items() if value is not None)


def smaller_class(setting: Setting) -> int:
    """Return the number of objects of the smaller class that is judged."""
    if setting["group"] == "rate":
        return int(setting["n_objects"])
    return int(min(setting["n_defective"], setting["n_good"]))


def lines(records: Iterable[Record]) -> list[Line]:
    """Return a line for each setting and method."""
    found = []
    for record in records:
        setting = record["setting"]
        for method, row in record["rows"].items():
            share = row["coverage"] if row["kind"] == "interval" else row["rejected"]
            found.append((setting, method, row, share, verdict(row, smaller_class(setting))))
    return found


def summary(found: Sequence[Line]) -> str:
    """Return a row for each method, with few and with enough objects."""
    groups: dict[tuple[str, str, str], list[Line]] = {}
    for line in found:
        size = "8 to 19" if smaller_class(line[0]) < 20 else "20 or more"
        groups.setdefault((line[0]["group"], line[1], size), []).append(line)
    rows = []
    for key, each in groups.items():
        shares = sorted(share for *_, share, _ in each)
        inside = sum(word == "in band" for *_, word in each)
        rows.append((*key, len(each), inside, shares[0], shares[len(shares) // 2], shares[-1]))
    return markdown(("group", "method", "objects a class", "settings", "in band", "least", "median", "most"), rows)


def details(found: Sequence[Line]) -> str:
    """Return everything that was counted."""
    rows = []
    for setting, method, row, share, word in found:
        interval = row["kind"] == "interval"
        sides = (row["above"], row["below"], row["width"]) if interval else ("", "", "")
        rows.append((describe(setting), method, share, error_of(share, row["runs"]), *sides, row["undefined"], word))
    columns = ("setting", "method", "share", "MC error", "above truth", "below truth", "mean width", "undefined",
               "verdict")  # fmt: skip
    return markdown(columns, rows)


def crossed(found: Sequence[Line], group: str, method: str) -> str:
    """Return the shares of one method: factories down, views and ICC across; empty if there are none."""
    mine = [line for line in found if line[0]["group"] == group and line[1] == method]
    across = list(dict.fromkeys(_clustering(line[0]) for line in mine))
    down: dict[tuple[object, ...], dict[str, str]] = {}
    for setting, _, _, share, word in mine:
        down.setdefault(_factory(setting), {})[_clustering(setting)] = f"{share:.3f}{MARKS[word]}"
    heads = ("rate", "objects") if group == "rate" else ("AUROC", "objects")
    return markdown((*heads, *across), [(*key, *(cells.get(c, "") for c in across)) for key, cells in down.items()])


def corrections(found: Sequence[Line]) -> Iterator[str]:
    """Yield, for each design, the rejection rates of the corrected test: metrics down, corrections across."""
    mine = [line for line in found if line[0]["group"] == "corrected"]
    for setting in {describe(line[0]): line[0] for line in mine}.values():
        cells: dict[str, dict[str, str]] = {}
        for other, method, _, share, word in mine:
            if other == setting:
                metric, correction = method.split(", ")
                cells.setdefault(metric, {})[correction] = f"{share:.3f}{MARKS[word]}"
        across = list(dict.fromkeys(name for row in cells.values() for name in row))
        yield describe(setting)
        yield markdown(("metric", *across), [(m, *(row.get(c, "") for c in across)) for m, row in cells.items()])


def report(records: Iterable[Record], *, full: bool) -> Iterator[str]:
    """Yield the tables: a summary, each method by factory, what is out of its band; with ``full`` everything."""
    found = lines(records)
    yield "## Every method: coverage of 95 % intervals, rejections of 5 % tests"
    yield summary(found)
    shown = [(g, m) for g in ("auroc", "rate", "bootstrap", "tests") for m in dict.fromkeys(
        line[1] for line in found if line[0]["group"] == g)]  # fmt: skip
    for group, method in shown:
        yield f"## {group}: {method}"
        yield crossed(found, group, method)
    if any(line[0]["group"] == "corrected" for line in found):
        yield "## The corrected resampled t test under the three-way design"
        yield from corrections(found)
    protocol = [line for line in found if line[0]["group"] == "protocol"]
    if protocol:
        yield "## The bootstrap of the whole protocol"
        yield details(protocol)
    if full:
        yield "## Every setting"
        yield details(found)
    yield f"## {ROWS.capitalize()} and tests: what is out of its band"
    yield details([row for row in found if (row[1] == ROWS or row[0]["group"] in SIMULATED) and row[4] != "in band"])


def _clustering(setting: Setting) -> str:
    return "1 view" if setting["views"] == 1 else f"{setting['views']} views, ICC {setting['icc']:g}"


def _factory(setting: Setting) -> tuple[object, ...]:
    if setting["group"] == "rate":
        rate = setting["rate"]
        return (f"{rate[0]} to {rate[1]}" if isinstance(rate, list) else str(rate)), setting["n_objects"]
    return str(setting["auroc"]), f"{setting['n_defective']} + {setting['n_good']}"
