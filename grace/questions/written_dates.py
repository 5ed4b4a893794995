"""Dates and times that a chat template writes into every prompt: how they are seen on a server.

The local engine holds a template's clock and sees what another day changes. A server's clock is
its own, so that its date is looked for in the text, in the ways in which people write dates.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import cache

#: Ways in which templates write a date, the usual ones first. Marks and zeros are overlooked.
DATE_FORMATS = (
    "%d %b %Y", "%d %B %Y", "%B %d, %Y", "%b %d, %Y", "%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y",
    "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y%m%d", "%B %d %Y", "%d-%b-%Y", "%Y.%m.%d", "%m-%d-%Y",
    "%Y年%m月%d日", "%Y년 %m월 %d일", "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%y-%m-%d",
)  # fmt: skip
#: The same without a year, which is a date only where no other year follows.
YEARLESS = ("%d %b", "%d %B", "%B %d", "%b %d", "%m月%d日")
#: Months of other languages as they stand in a date, January first.
MONTHS = (
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "januari februari maart april mei juni juli augustus september oktober november december",
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada "
    "grudnia",
)
_CLOCK = re.compile(r"(?<![\d:.])(?:[01]?\d|2[0-3]):([0-5]\d)(?!\d)")


def written_date(text: str, day: date) -> str:
    """The format of a day's date in the text, or of a neighbour's (a server elsewhere); or ""."""
    days = [day + timedelta(n) for n in (0, -1, 1)]
    for form in DATE_FORMATS:
        if any(near.strftime(form) in text for near in days):
            return form
    plain = _plain(text)
    for near in days:
        for form, written, further in _ways(near):
            if re.search(rf"(?<!\d){re.escape(written)}(?!\d){further}", plain):
                return form
    return ""


@cache
def _ways(day: date) -> tuple[tuple[str, str, str], ...]:
    """A day in each format, plain, and what may not follow."""
    found = [(form, _plain(day.strftime(form)), "") for form in DATE_FORMATS]
    for names in MONTHS:
        month = names.split()[day.month - 1]
        found.append(("%d %B %Y", f"{day.day} {month} {day.year}", ""))
    another_year = r"(?![ .,/-]*\d{4})"
    found += [(form, _plain(day.strftime(form)), another_year) for form in YEARLESS]
    return tuple(found)


def _plain(text: str) -> str:
    """Without what people leave out of dates or put in: ordinals, commas, points, zeros, "de"."""
    text = re.sub(r"(?<=\d)(?:st|nd|rd|th|er|º|°)\b", "", text.casefold())
    text = re.sub(r"(?<=\d)\.(?=\s)|(?<=[^\W\d])\.(?=\s)|,", "", text)
    text = re.sub(r"(?<!\d)0(?=\d)", "", text)
    return " ".join(re.sub(r"\bde\b", " ", text).split())


def written_time(text: str, now: datetime) -> bool:
    """Whether the text shows the present time of day, in whatever zone of whole hours."""
    near = {(now + timedelta(minutes=n)).minute for n in (-1, 0, 1)}
    return any(int(found[1]) in near for found in _CLOCK.finditer(text))


def date_notice(day: str, *, time: str = "") -> str:
    """What to know of a chat template that writes the date of the day, or its time."""
    also = f" and the time of day, always {time}" if time else ""
    return (
        f"the chat template writes the date into every prompt{also}: {day}, kept when this run "
        f"goes on another day; model.date={day} gives other runs the same prompts"
    )
