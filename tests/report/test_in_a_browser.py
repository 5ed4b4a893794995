"""report.html in a real browser: quiet, without network, readable by everybody, and harmless."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from grace.report.verdict import UNKNOWN, WORDS
from grace.report.write import report_folders
from grace.runs.prompt_examples import read_examples
from grace.runs.results import load
from grace.store import Store
from tests.report.browser import PHONE, WIDE, launched, opened
from tests.report.report_runs import HOSTILE, hostile, large

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

FOUR = ("1/1", "1/2", "2/1", "2/2")
PAGES = (*FOUR, "several", "hostile", "300", "2424")
#: Between them they have all that a page can have; axe looks at these on the phone too.
BOTH = ("1/2", "2/1", "several")
SECTIONS = (
    "What was asked", "How sure it is", "What came out", "Against people and the RSA model",
    "What to doubt", "How to cite and reproduce",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@pytest.fixture(scope="module")
def page_of(
    four_runs: Path,
    read: dict[str, Any],
    report_of: Callable[[str], Path],
    tiny: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Path]:
    """The report of a name, written when first wanted."""
    folder = tmp_path_factory.mktemp("reports")
    made: dict[str, Path] = {}

    def write(name: str) -> Path:
        if name in FOUR:
            return report_of(name)
        if name == "several":
            runs = [four_runs / which / "tiny" for which in ("1/2", "2/1")]
            return report_folders([*runs, read["1/1"].run.path], folder / "several.html")
        if name == "hostile":
            return hostile(tiny("llama-byte"), folder / name) / "report.html"
        study = "1" if name == "300" else "2"
        return large(tiny("llama-byte"), folder / name, study, int(name)) / "report.html"

    def page(name: str) -> Path:
        if name not in made:
            made[name] = write(name)
        return made[name]

    return page


def _look_up(page: Page, words: str = "") -> Locator:
    """Find trials by words, through the form; the rows found."""
    box = page.locator(".lookup").first
    box.get_by_role("searchbox").fill(words)
    box.get_by_role("button", name="Show trials").click()
    page.wait_for_selector(".found tbody tr")
    return box.locator(".found tbody tr")


# Quiet, self-contained, readable by everybody


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.full
def test_it_is_quiet_and_readable_on_a_screen_and_a_phone(
    name: str, page_of: Callable[[str], Path], browser: Browser
) -> None:
    """No console message, no request (`opened`), nothing too wide, and axe finds nothing."""
    from axe_playwright_python.sync_playwright import Axe

    for size in (WIDE, PHONE):
        with opened(browser, page_of(name), size, bypass_csp=True) as page:
            _look_up(page).first.get_by_role("button").click()
            page.wait_for_selector(".trial")
            page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
            if name in BOTH or size == WIDE:
                found = Axe().run(page, context={"exclude": [["svg > *"]]})  # role img: one thing
                assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("name", FOUR)
def test_the_answer_is_on_the_first_screen(
    name: str, page_of: Callable[[str], Path], browser: Browser
) -> None:
    for size, screens in ((WIDE, 1), (PHONE, 2)):
        with opened(browser, page_of(name), size) as page:
            assert page.get_by_role("heading", name="Is it like people?").is_visible()
            box = page.locator(".verdict").bounding_box()
            assert box is not None
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= screens * size[1]
            words = page.locator(".verdict strong").inner_text()
            assert words in {UNKNOWN, *(word for _, word, _ in WORDS)}


def test_several_runs_are_told_apart_at_once(
    page_of: Callable[[str], Path], browser: Browser
) -> None:
    with opened(browser, page_of("several")) as page:
        table = page.get_by_role("table", name="All runs")
        box = table.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= WIDE[1]
        links = table.get_by_role("link")
        assert links.count() == 3
        links.nth(2).click()
        place = page.url.split("#")[1]
        assert page.locator(f"#{place}").is_visible()
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
        assert len(ids) == len(set(ids))


# Tables sort


def _numbers(table: Locator, column: int) -> list[float]:
    cells = table.locator(f"tbody tr td:nth-child({column})")
    found = cells.evaluate_all("(cells) => cells.map((cell) => cell.dataset.value)")
    return [float(value) if value else np.nan for value in found]


def test_tables_sort_by_click_and_by_keyboard(
    page_of: Callable[[str], Path], browser: Browser
) -> None:
    with opened(browser, page_of("1/2")) as page:
        table = page.get_by_role("table", name="Mass by question")
        head = table.locator("thead th").nth(2)
        before = _numbers(table, 3)
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert _numbers(table, 3) == sorted(before)
        for key, way, reverse in (("Enter", "descending", True), ("Space", "ascending", False)):
            page.keyboard.press(key)  # the button has the focus
            assert head.get_attribute("aria-sort") == way
            assert _numbers(table, 3) == sorted(before, reverse=reverse)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert head.get_attribute("aria-sort") is None
        assert table.locator("th[aria-sort]").count() == 1
        names = table.locator("tbody td:first-child").all_inner_texts()
        assert sorted(names) == [*("knowledge",), *(f"state {k}" for k in range(4))]


def test_what_is_missing_stands_last_whichever_way(
    page_of: Callable[[str], Path], browser: Browser
) -> None:
    with opened(browser, page_of("several")) as page:
        table = page.get_by_role("table", name="All runs")
        head = table.locator("thead th", has_text="model")
        for _ in range(2):
            head.get_by_role("button").click()
            shown = table.locator("tbody tr td:nth-child(7)").all_inner_texts()
            assert shown[-1] == "missing"
            assert "missing" not in shown[:-1]


# A trial is looked up


def test_a_trial_shows_its_prompt_tokens_and_the_tables_numbers(
    four_runs: Path, page_of: Callable[[str], Path], browser: Browser
) -> None:
    """Found and opened by keyboard alone; every probability is that of responses.parquet."""
    run = load(four_runs / "1/2/tiny")
    examples, _ = read_examples(run.path)
    trials = len(run.trials)
    each = len(run.responses) // trials
    with opened(browser, page_of("1/2")) as page:
        page.get_by_role("searchbox").focus()
        page.keyboard.type(f"row {trials}")
        page.keyboard.press("Enter")
        page.wait_for_selector(".found tbody tr")
        button = page.get_by_role("button", name=f"row {trials}", exact=True)
        button.focus()
        page.keyboard.press("Enter")
        _numbers_are(page, run.responses.iloc[(trials - 1) * each :])
        assert page.evaluate("document.activeElement.textContent") == f"Row {trials}"
        setup = run.trials["story_setup"].iloc[-1]
        prompts = page.locator(".trial pre").all_text_contents()
        assert len(prompts) == 5
        assert all(" ".join(setup.split()) in " ".join(text.split()) for text in prompts)
        # the first trial's prompts are those of examples.json
        _look_up(page, "row 1").first.get_by_role("button").click()
        shown = page.locator(".trial pre").all_text_contents()
        assert shown[0] == examples[0].text
        assert shown[-1] == examples[-1].text


def _numbers_are(page: Page, rows: pd.DataFrame) -> None:
    tables = page.locator(".trial table")
    assert tables.count() == 5
    start = 0
    for i in range(5):
        lines = tables.nth(i).locator("tbody tr")
        own = rows.iloc[start : start + lines.count()]
        start += lines.count()
        mass = _float(tables.nth(i).locator("caption").inner_text().split()[1].rstrip(","))
        assert mass == pytest.approx(own["mass"].iloc[0], rel=6e-3)
        for line, (_, row) in zip(lines.all(), own.iterrows(), strict=True):
            name, p, _, logprob, _ = line.locator("th,td").all_inner_texts()
            assert name.rstrip("%") == row["option"]
            assert _float(p) == pytest.approx(row["prob"], rel=6e-3)
            assert _float(logprob) == pytest.approx(row["logprob"], rel=6e-3)
            spelt = line.locator(".tokens div").first
            tokens = spelt.locator(".token").all_text_contents()
            assert "".join(tokens).strip() == name
            alone = [_float(x) for x in re.findall(r"−?[\d.]+(?:e[−+]?\d+)?(?= |$)",
                                                   _without(spelt, tokens))]  # fmt: skip
            assert sum(alone) == pytest.approx(row["logprob"], rel=2e-2)
    assert start == len(rows)


def _float(text: str) -> float:
    return float(text.replace("−", "-"))


def _without(line: Locator, tokens: list[str]) -> str:
    """The numbers between the tokens."""
    text = line.evaluate(
        "(e) => [...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data).join(' ')"
    )
    return " ".join(str(text).split())


def test_search_flags_and_sorting_of_trials(
    four_runs: Path, page_of: Callable[[str], Path], browser: Browser
) -> None:
    trials = load(four_runs / "2/2/tiny").trials
    with opened(browser, page_of("2/2")) as page:
        words = f"{trials['goal_type'].iloc[0]} {trials['Domain'].iloc[0]}"
        _look_up(page, words)
        hits = trials[(trials["goal_type"] == trials["goal_type"].iloc[0])
                      & (trials["Domain"] == trials["Domain"].iloc[0])]  # fmt: skip
        assert page.get_by_role("status").inner_text().startswith(f"{len(hits)} of {len(trials)} ")
        page.get_by_role("searchbox").fill("no such words at all")
        page.get_by_text(f"0 of {len(trials)} trials").wait_for()
        page.get_by_role("searchbox").fill("")
        page.get_by_label("Sort by").select_option("mass")
        page.wait_for_selector(".found tbody tr")
        masses = trials[["frame_mass", "assessment_mass", "utterance_mass"]].min(axis=1)
        first = page.locator(".found tbody tr button").first.inner_text()
        lowest = int(first.split()[1]) - 1
        assert masses.iloc[lowest] == pytest.approx(masses.min(), rel=1e-3)


def test_raw_answers_are_looked_up(
    four_runs: Path, page_of: Callable[[str], Path], browser: Browser
) -> None:
    trials = load(four_runs / "1/1/tiny").trials
    with opened(browser, page_of("1/1")) as page:
        _look_up(page, "row 7").first.get_by_role("button").click()
        shown = page.locator(".trial").inner_text()
        assert "parse status" in shown
        assert trials["parse_status"].iloc[6] in shown


# On paper


def test_paper_has_every_section_and_what_was_closed(
    page_of: Callable[[str], Path], browser: Browser
) -> None:
    with opened(browser, page_of("1/2")) as page:
        assert page.locator("details.paper:not([open])").count() > 0
        pdf = page.pdf(format="A4", outline=True, tagged=True)
        assert page.locator("details.paper:not([open])").count() == 0
        for title in SECTIONS:
            assert f"/Title ({title})".encode() in pdf, title
        assert b"/Title (Look up a trial)" not in pdf
        assert 4 <= len(re.findall(rb"/Type /Page\b(?!s)", pdf)) <= 20
        page.emulate_media(media="print")
        assert page.get_by_role("table", name="Every cell and answer").is_visible()
        assert not page.locator(".lookup").is_visible()
        assert not page.locator("nav").is_visible()


def test_paper_loses_no_column(page_of: Callable[[str], Path], browser: Browser) -> None:
    """Between the margins of a sheet of A4 every table ends, and its header can be repeated."""
    for name in ("1/2", "2/1", "several"):
        with opened(browser, page_of(name), (672, 1000)) as page:
            page.emulate_media(media="print")
            page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
            wide = page.evaluate(
                "[...document.querySelectorAll('main table')].filter((t) => t.offsetParent !== null"
                " && t.getBoundingClientRect().right > innerWidth + 1)"
                ".map((t) => t.caption.innerText)"
            )
            assert wide == []
            shown = "(b) => getComputedStyle(b).display"
            assert page.locator("main thead th button").first.evaluate(shown) == "none"
            heads = page.locator("main table.sortable").first.locator("thead th")
            assert all(text.strip() for text in heads.all_inner_texts())


def test_what_goes_on_to_the_right_says_so(
    page_of: Callable[[str], Path], browser: Browser
) -> None:
    with opened(browser, page_of("several")) as page:  # there is room for the table of all runs
        table = page.get_by_role("group", name="All runs", exact=True)
        assert table.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1")
    with opened(browser, page_of("1/2"), PHONE) as page:
        for box in page.locator("main .scroll").all():
            if not box.is_visible():
                continue
            over = box.evaluate("(e) => e.scrollWidth > e.clientWidth + 1")
            said = box.evaluate("(e) => e.previousElementSibling?.classList.contains('more')")
            assert bool(said) == over
        figure = page.locator("figure .scroll").first
        assert "push it sideways" in page.locator("figure .more").first.inner_text()
        figure.evaluate("(e) => { e.scrollLeft = e.scrollWidth; }")
        page.wait_for_function("document.querySelector('figure .more').classList.contains('end')")


# Hostile stimuli


def test_hostile_stimuli_do_no_harm(page_of: Callable[[str], Path], browser: Browser) -> None:
    path = page_of("hostile")
    with opened(browser, path) as page:
        rows = _look_up(page)
        assert rows.count() == 12
        assert "<img src=x" in rows.first.inner_text()  # shown, not done
        for number in (1, 2):  # the hostile one, the long one
            page.get_by_role("button", name=f"row {number}", exact=True).click()
            page.get_by_role("heading", name=f"Row {number}", exact=True).wait_for()
            page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        page.get_by_role("button", name="row 1", exact=True).click()
        prompt = page.locator(".trial pre").first.text_content()
        assert prompt is not None
        assert "</script><script>window.hacked=1" in prompt
        assert "⟨U+202E" in prompt
        assert "\u202e" not in page.content()
        assert "␇" in prompt
        assert page.evaluate("window.hacked") is None
        assert page.locator(".trial").is_visible()
    assert HOSTILE not in path.read_text(encoding="utf-8")
    assert path.stat().st_size < 2_000_000


# Large runs


@pytest.mark.parametrize(("name", "most"), [("300", 2_000_000), ("2424", 3_000_000)])
def test_large_runs_are_small_pages(
    name: str, most: int, page_of: Callable[[str], Path], browser: Browser
) -> None:
    """All trials can be looked up, and the page has no more elements for it."""
    path = page_of(name)
    assert path.stat().st_size < most
    count = "document.getElementsByTagName('*').length"
    with opened(browser, path) as page:
        assert page.evaluate(count) < 9000
        before = page.evaluate(count)
        _look_up(page)
        assert page.get_by_role("status").inner_text().startswith(f"{name} of {name} trials")
        assert page.evaluate(count) - before < 1000
        page.get_by_role("button", name="Show more").click()
        assert page.locator(".found tbody tr").count() == 50
        _look_up(page, f"row {name}").first.get_by_role("button").click()
        page.wait_for_selector(".trial")
        assert page.evaluate(count) - before < 2500


def test_a_missing_store_leaves_the_numbers(
    four_runs: Path, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run's folder sent by mail: prompts are gone, and it says why.

    Where the reader stands, another run's store has the name the sender's had there.
    """
    monkeypatch.chdir(tmp_path)
    Store.open("outputs/answers.sqlite").close()
    folder = shutil.copytree(four_runs / "2/2/tiny", tmp_path / "mailed")
    with opened(browser, report_folders([folder], folder / "report.html")) as page:
        _look_up(page).first.get_by_role("button").click()
        assert page.locator(".trial table").count() == 3
        assert "Not all prompts are here" in page.get_by_role("status").inner_text()
