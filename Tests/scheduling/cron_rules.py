"""Cron by brute force: what docs/scheduling.md says, with no thought for speed. Shares nothing with the Swift code."""
import calendar
import datetime

NAMES = {
    3: dict(zip("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), range(1, 13))),
    4: dict(zip("SUN MON TUE WED THU FRI SAT".split(), range(7))),
}
MINIMUM = [0, 0, 1, 1, 0, 0]
MAXIMUM = [59, 23, 31, 12, 6, 59]


class Expression:
    """Fields by index: 0 minute, 1 hour, 2 day of month, 3 month, 4 day of week, 5 second."""

    def __init__(self, text):
        words = text.upper().split()
        second = words.pop(0) if len(words) == 6 else "0"
        self.words = words + [second]
        self.plain, self.special = [], []
        for field, word in enumerate(self.words):
            terms = ["*" if term == "?" else term for term in word.split(",")]
            special = [t for t in terms if field in (2, 4) and ("#" in t or "L" in t or t[-1] == "W")
                       and t not in NAMES[4] and "JUL" not in t]
            self.special.append(special)
            values = set()
            for term in terms:
                if term not in special:
                    values |= self.values(field, term)
            self.plain.append(values)
        self.wild = self.words[1].startswith("*") or len(self.plain[1]) == 24
        self.either = self.words[2][0] not in "*?" and self.words[4][0] not in "*?"
        self.day_cache = {}

    @staticmethod
    def values(field, term):
        low, high = MINIMUM[field], MAXIMUM[field]

        def number(word):
            return NAMES.get(field, {}).get(word) if word in NAMES.get(field, {}) else int(word)

        body, _, step = term.partition("/")
        if body == "*":
            first, last = low, high
        elif "-" in body:
            first, last = map(number, body.split("-"))
        else:
            first = number(body)
            last = high if step else first
        found, value, skip = set(), first, 0
        if field == 4 and first == 7:
            first = value = 0
            last = 0 if last == 7 else last
        elif field == 4 and last == 7:
            # One week and a day at most: Sunday ends the range.
            return {v % 7 for v in range(first, 8, int(step or 1))}
        while True:
            if skip == 0:
                found.add(value)
            skip = (skip + 1) % int(step or 1)
            if value == last:
                return found
            value = low if value == high else value + 1

    def day(self, date):
        if date not in self.day_cache:
            self.day_cache[date] = self.day_matches(date)
        return self.day_cache[date]

    def day_matches(self, date):
        if date.month not in self.plain[3]:
            return False
        length = calendar.monthrange(date.year, date.month)[1]
        by_month_day = date.day in self.plain[2]
        for term in self.special[2]:
            if term == "L":
                by_month_day |= date.day == length
            elif term == "LW":
                workdays = [d for d in range(1, length + 1) if date.replace(day=d).weekday() < 5]
                by_month_day |= date.day == workdays[-1]
            elif term.startswith("L-"):
                by_month_day |= date.day == length - int(term[2:])
            else:
                wanted = int(term[:-1])
                if wanted <= length:
                    workdays = [d for d in range(1, length + 1) if date.replace(day=d).weekday() < 5]
                    # The nearest; none is ever two days off on both sides.
                    by_month_day |= date.day == min(workdays, key=lambda d: (abs(d - wanted), d))
        weekday = (date.weekday() + 1) % 7
        by_weekday = weekday in self.plain[4]
        for term in self.special[4]:
            if "#" in term:
                name, count = term.split("#")
                by_weekday |= weekday in self.values(4, name) and (date.day - 1) // 7 == int(count) - 1
            else:
                by_weekday |= weekday in self.values(4, term[:-1]) and date.day + 7 > length
        return by_month_day or by_weekday if self.either else by_month_day and by_weekday

    def matches(self, reading):
        return (reading.minute in self.plain[0] and reading.hour in self.plain[1] and reading.second in self.plain[5]
                and self.day(reading.date()))


def clock(zone, first, last, step):
    """What a clock shows at each step: (time, reading, shown before, readings that were skipped just before)."""
    shown = []
    delta = datetime.timedelta(seconds=step)
    before = datetime.datetime.fromtimestamp(first - step, zone).replace(tzinfo=None)
    for time in range(first, last, step):
        local = datetime.datetime.fromtimestamp(time, zone)
        reading = local.replace(tzinfo=None, fold=0)
        skipped = []
        missing = before + delta
        while missing < reading:
            skipped.append(missing)
            missing += delta
        shown.append((time, reading, local.fold == 1, skipped))
        before = reading
    return shown


def instants_by_stepping(expression, shown, policy):
    """Every instant of a stretch of time, looked at one by one."""
    found = []
    for time, reading, again, skipped in shown:
        fires = expression.matches(reading) and (expression.wild or not again or policy == "twice")
        if not fires and skipped and not expression.wild and policy != "skip":
            fires = any(expression.matches(missing) for missing in skipped)
        if fires:
            found.append(time)
    return found


def instants_by_day(expression, zone, first, last, policy, enough):
    """The instants of many years, from readings to instants instead; few readings a day, please. Stops after enough."""
    found = set()
    date = datetime.datetime.fromtimestamp(first, zone).date() - datetime.timedelta(days=2)
    end = datetime.datetime.fromtimestamp(last, zone).date() + datetime.timedelta(days=2)
    while date < end and len(found) < enough:
        if expression.day(date):
            for hour in expression.plain[1]:
                for minute in expression.plain[0]:
                    for second in expression.plain[5]:
                        reading = datetime.datetime(date.year, date.month, date.day, hour, minute, second)
                        found |= instants_of(reading, zone, expression.wild, policy)
        date += datetime.timedelta(days=1)
    return sorted(time for time in found if first <= time < last)


def instants_of(reading, zone, wild, policy):
    times = [int(reading.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1)]
    real = sorted({t for t in times
                   if datetime.datetime.fromtimestamp(t, zone).replace(tzinfo=None, fold=0) == reading})
    if real:
        return set(real) if wild or policy == "twice" else {real[0]}
    if wild or policy == "skip":
        return set()
    # Skipped: the first instant at which the clock shows something later.
    low, high = min(times) - 86400 * 2, max(times) + 86400 * 2
    while low < high:
        middle = (low + high) // 2
        if datetime.datetime.fromtimestamp(middle, zone).replace(tzinfo=None, fold=0) > reading:
            high = middle
        else:
            low = middle + 1
    return {low}
