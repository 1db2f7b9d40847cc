"""Times as whole numbers, and how far apart they are.

times    whole numbers as they stand; dates as seconds from 1970 on, in UTC
         where they say how far from it, else as the clock shows them
months   where all dates are months apart, months from the year 0 on
index    a time as a number of steps: what series are stored by
"""

import dataclasses
import datetime
import re
from collections.abc import Sequence

import numpy as np

_MONTH = re.compile(r"(\d{4})-(\d{1,2})")
_UTC = datetime.UTC
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=_UTC)

MINUTE, HOUR, DAY = 60, 3600, 86_400
WEEK = 7 * DAY
YEAR = 31_556_952  # seconds of 365.2425 days
MONTH = YEAR // 12

_UNITS = {
    "second": 1,
    "minute": MINUTE,
    "hour": HOUR,
    "day": DAY,
    "week": WEEK,
}


def parse(text: str) -> tuple[bool, int] | None:
    """Return whether a time is a date, and its number; `None` if it is none."""
    text = text.strip()
    if re.fullmatch(r"[+-]?\d{1,15}(\.0*)?", text):
        return False, int(text.partition(".")[0])
    month = _MONTH.fullmatch(text)
    if month:
        text = f"{month[1]}-{month[2]:0>2}-01"
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_UTC)
    return True, int((moment - _EPOCH).total_seconds())


@dataclasses.dataclass(frozen=True)
class Frequency:
    """How far the times of all series are apart.

    Attributes:
        unit: "step" of whole numbers, "second" or "month".
        step: Units from one time to the next.
        start: A time, in units: that of index 0.
    """

    unit: str
    step: int
    start: int

    @property
    def name(self) -> str:
        """Return it in words: "1 hour"."""
        unit, count = self.unit, self.step
        if unit == "second":
            unit = [u for u, size in _UNITS.items() if count % size == 0][-1]
            count //= _UNITS[unit]
        if unit == "month" and count % 12 == 0:
            unit, count = "year", count // 12
        return f"{count:,} {unit}" + "s" * (count > 1)

    @property
    def seconds(self) -> int:
        """Seconds from one time to the next, on average; 0 of numbers."""
        return self.step * {"step": 0, "second": 1, "month": MONTH}[self.unit]

    @property
    def season(self) -> int:
        """Steps of the season that is usual; 1 if there is none.

        A day of what is measured more often than daily, a week of days, a year
        of weeks, months and quarters.
        """
        if self.unit == "month":
            return max(12 // self.step, 1)
        if self.unit == "step" or self.step > WEEK:
            return 1
        if self.step < DAY:
            return DAY // self.step if DAY % self.step == 0 else 1
        return {DAY: 7, WEEK: 52}.get(self.step, 1)

    def index(self, times: np.ndarray) -> np.ndarray:
        """Return times as numbers of steps; not whole where they are off."""
        if self.unit == "month":
            times = _months(times)
        return (times - self.start) / self.step

    def moments(self, index: np.ndarray) -> np.ndarray:
        """Return the seconds from 1970 on of indices; of numbers the times."""
        units = np.asarray(index, np.int64) * self.step + self.start
        if self.unit == "month":
            months = (units - 1970 * 12).astype("datetime64[M]")
            return months.astype("datetime64[s]").astype(np.int64)
        return units

    def text(self, index: int) -> str:
        """Return the time of an index as it is written to files."""
        moment = int(self.moments(np.array(index)))
        if self.unit == "step":
            return str(moment)
        written = (_EPOCH + datetime.timedelta(seconds=moment)).isoformat(" ")
        if self.unit == "month":
            return written[:7]
        whole_days = self.step % DAY == 0 and self.start % DAY == 0
        return written[:10] if whole_days else written[:19]


def _months(seconds):
    """Return seconds from 1970 on as months from the year 0 on."""
    moments = np.asarray(seconds, "datetime64[s]")
    return moments.astype("datetime64[M]").astype(np.int64) + 1970 * 12


def infer(are_dates: bool, times: Sequence[np.ndarray]) -> Frequency:
    """Return the frequency of series: their most common difference of times.

    Args:
        are_dates: Whether times are seconds from 1970 on.
        times: Of each series, ascending, none twice.
    """
    differences = np.concatenate([np.diff(own) for own in times])
    start = int(min(own[0] for own in times if len(own)))
    if not len(differences):
        differences = np.array([DAY if are_dates else 1])
    unit = "second" if are_dates else "step"
    if are_dates and differences.min() >= 28 * DAY:
        moments = np.concatenate(times).astype("datetime64[s]")
        days = (
            moments.astype("datetime64[D]") - moments.astype("datetime64[M]")
        ).astype(int)
        # The same day of each month, or the last one.
        if len(set(days.tolist())) == 1 or days.min() >= 27:
            unit = "month"
            times = [_months(own) for own in times]
            differences = np.concatenate([np.diff(own) for own in times])
            start = int(_months(np.array(start)))
            if not len(differences):
                differences = np.array([1])
    sizes, counts = np.unique(differences, return_counts=True)
    return Frequency(unit, int(sizes[counts.argmax()]), start)
