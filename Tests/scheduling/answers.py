"""Prints what schedules must answer, a line each: source, expression, zone, policy, from, until, instants.

Usage: answers.py SEED. Without transitions croniter is asked; with them, the brute force of cron_rules.py.
"""
import datetime
import random
import sys
import zoneinfo

import croniter
from cron_rules import Expression, clock, instants_by_day, instants_by_stepping

# The same time zone data on every machine: the package's, not the system's.
zoneinfo.reset_tzpath(to=[])

QUIET_ZONES = ["UTC", "Asia/Kolkata", "Asia/Tokyo", "America/Phoenix", "Asia/Kathmandu", "Pacific/Marquesas"]
LIVELY_ZONES = [
    "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe",
    "America/Sao_Paulo", "Africa/Casablanca", "Asia/Beirut", "Pacific/Apia", "Antarctica/Troll", "Asia/Pyongyang",
    "Europe/Istanbul", "America/Caracas", "Pacific/Kiritimati", "Pacific/Kwajalein", "Asia/Tehran", "Africa/Cairo",
    "America/Havana", "Asia/Gaza", "Pacific/Chatham",
]
POLICIES = ["once", "once", "skip", "twice"]
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
DAYS = "SUN MON TUE WED THU FRI SAT".split()
CRONITER_YEARS = 50


def epoch(year):
    return int(datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc).timestamp())


def plain_term(rng, low, high, names=None):
    def value():
        number = rng.randint(low, high)
        return names[number - low] if names and number - low < len(names) and rng.random() < 0.5 else str(number)

    kind = rng.randrange(7)
    if kind < 3:
        return value()
    if kind == 3:
        return f"{value()}-{value()}"
    step = rng.randint(1, max(1, min(high, 20)))
    return {4: f"*/{step}", 5: f"{value()}/{step}", 6: f"{value()}-{value()}/{step}"}[kind]


def plain_field(rng, low, high, names=None, star=0.4):
    if rng.random() < star:
        return "*"
    return ",".join(plain_term(rng, low, high, names) for _ in range(rng.choice([1, 1, 1, 2, 3])))


def month_day_field(rng):
    if rng.random() < 0.6:
        return plain_field(rng, 1, 31, star=0.5) if rng.random() < 0.9 else "?"
    terms = ["L", "LW", f"L-{rng.randint(1, 30)}", f"{rng.randint(1, 31)}W", str(rng.randint(1, 31))]
    return ",".join(rng.sample(terms, rng.choice([1, 1, 2])))


def weekday_field(rng):
    if rng.random() < 0.6:
        return plain_field(rng, 0, 7, DAYS, star=0.5) if rng.random() < 0.9 else "?"
    day = rng.choice(DAYS + list("01234567"))
    terms = [f"{day}L", f"{day}#{rng.randint(1, 5)}", rng.choice(DAYS)]
    return ",".join(rng.sample(terms, rng.choice([1, 1, 2])))


def any_expression(rng, sparse=False):
    """`sparse`: few readings a day."""
    if sparse:
        time = [str(rng.randrange(60)), rng.choice([str(rng.randrange(24)), "0,2,3", "1-3", "*/6", "*", "23"])]
    else:
        time = [plain_field(rng, 0, 59), plain_field(rng, 0, 23)]
    fields = time + [month_day_field(rng), plain_field(rng, 1, 12, MONTHS, star=0.6), weekday_field(rng)]
    if rng.random() < 0.25:
        fields.insert(0, str(rng.randrange(60)) if sparse else plain_field(rng, 0, 59))
    return " ".join(fields)


def is_known_to_croniter(words):
    """Leaves out what croniter does not know or understands in a way of its own.

    It knows no L-3; wants both days where one is FRI#2, FRIL or 15W, and where a field names all there are; takes
    31W for the month's last workday; FRI,FRI#2 for FRI#2; 4-4 for everything; and begins anew to count the steps of a
    range where that wraps around.
    """
    month_day, week = words[-3].replace("LW", "W"), words[-1]
    read = Expression(" ".join(words))
    if "L-" in month_day or any(mark in month_day for mark in ["29W", "30W", "31W"]):
        return False
    if read.special[4] and "," in week:
        return False
    if read.either and (any(mark in month_day + week for mark in "W#L") or len(read.plain[2]) == 31
                        or len(read.plain[4]) == 7):
        return False
    for names, word in zip([[], MONTHS, DAYS], [",".join(words[:-2]), words[-2], week]):
        for term in word.split(","):
            body, _, step = term.partition("/")
            if "-" in body:
                first, last = (names.index(end) + (names is MONTHS) if end in names else int(end)
                               for end in body.split("-"))
                if first == last or {first, last} == {0, 7} or first > last and step:
                    return False
    return True


def ask_croniter(rng, count):
    """The next three instants of so many expressions, as croniter has them; it refuses some. FRIL is L5 to it."""
    asked = 0
    while asked < count:
        text = any_expression(rng)
        words = text.split()
        if not is_known_to_croniter(words):
            continue
        week = []
        for term in words[-1].split(","):
            if term.endswith("L"):
                day = DAYS.index(term[:-1]) if term[:-1] in DAYS else int(term[:-1]) % 7
                term = f"L{day}"
            week.append(term)
        theirs = " ".join(words[:-1] + [",".join(week)])
        zone = rng.choice(QUIET_ZONES)
        start = rng.randrange(epoch(2001), epoch(2030))
        try:
            answers = croniter.croniter(
                theirs, datetime.datetime.fromtimestamp(start, zoneinfo.ZoneInfo(zone)), ret_type=float,
                implement_cron_bug=True, second_at_beginning=True, max_years_between_matches=CRONITER_YEARS)
        except croniter.CroniterBadCronError:
            continue
        times = []
        try:
            for _ in range(3):
                times.append(int(answers.get_next()))
        except croniter.CroniterBadDateError:
            pass
        until = times[-1] + 1 if len(times) == 3 else start + (CRONITER_YEARS - 1) * 365 * 86400
        yield "croniter", text, zone, "once", start + 1, until, [time for time in times if time < until]
        asked += 1


def transitions(zone):
    """Times at which the offset changes, with the change, 1990 to 2024."""
    def offset(time):
        return datetime.datetime.fromtimestamp(time, zone).utcoffset().total_seconds()

    found, step = [], 86400
    last = offset(epoch(1990))
    for time in range(epoch(1990), epoch(2025), step):
        if offset(time + step) != last:
            low, high = time, time + step
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == last else (low, middle)
            found.append((high, offset(high) - last))
            last = offset(time + step)
    return found


def near(rng, time, zone):
    """An expression that means something at a transition."""
    local = [datetime.datetime.fromtimestamp(time + d, zone) for d in (-1, 0)]
    hour = rng.choice([(rng.choice(local).hour + d) % 24 for d in (-1, 0, 0, 1)])
    minute = rng.choice(["0", "1", "15", "30", "59", "*/15", "*", "0,30", "10-20"])
    hours = rng.choice([str(hour)] * 4 + [f"{hour},{(hour + 1) % 24}", f"{(hour - 1) % 24}-{(hour + 2) % 24}",
                                          "*", "*/2", "0-23", "0/3"])
    day = rng.choice(["*"] * 6 + [str(local[0].day), str(local[1].day), str((local[0] + datetime.timedelta(1)).day),
                                  "L", "LW"])
    week = rng.choice(["*"] * 5 + [DAYS[(local[1].weekday() + 1) % 7], DAYS[(local[0].weekday() + 1) % 7] + "L"])
    return f"{minute} {hours} {day} * {week}"


def step_over_transitions(rng, zone_name):
    zone = zoneinfo.ZoneInfo(zone_name)
    all_of_them = transitions(zone)
    odd = sorted(all_of_them, key=lambda pair: -abs(pair[1]))[:2]
    for time, _ in odd + rng.sample(all_of_them, min(4, len(all_of_them))):
        first = time - 86400 - 60 * rng.randrange(600)
        last = time + 86400 + 60 * rng.randrange(600)
        shown = clock(zone, first, last, 60)
        for _ in range(14):
            text, policy = near(rng, time, zone), rng.choice(POLICIES)
            yield "rules", text, zone_name, policy, first, last, instants_by_stepping(Expression(text), shown, policy)
    time, _ = rng.choice(all_of_them)
    shown = clock(zone, time - 5000, time + 5000, 1)
    for _ in range(4):
        text, policy = f"{rng.choice(['*/20', '7', '*', '0,59'])} {near(rng, time, zone)}", rng.choice(POLICIES)
        times = instants_by_stepping(Expression(text), shown, policy)
        yield "rules", text, zone_name, policy, time - 5000, time + 5000, times


def walk_through_years(rng, zone_name, count):
    zone = zoneinfo.ZoneInfo(zone_name)
    for _ in range(count):
        text, policy = any_expression(rng, sparse=True), rng.choice(POLICIES)
        first = rng.randrange(epoch(1990), epoch(2016))
        last = first + 3 * 365 * 86400
        # Those of the last days may lack some: twice 24 a day at most.
        times = instants_by_day(Expression(text), zone, first, last, policy, enough=160)
        if len(times) > 60:
            times = times[:60]
            last = times[-1] + 1
        yield "days", text, zone_name, policy, first, last, times


def main():
    rng = random.Random(int(sys.argv[1]))
    for line in ask_croniter(rng, 2500):
        show(line)
    for zone in LIVELY_ZONES:
        for line in step_over_transitions(rng, zone):
            show(line)
        for line in walk_through_years(rng, zone, 20):
            show(line)


def show(line):
    *words, times = line
    print(*words, ",".join(map(str, times)), sep="\t")


if __name__ == "__main__":
    main()
