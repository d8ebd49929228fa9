#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What grows with the number of teams: the tables of scale.md.

    python3 docs/scale-simulation.py

One day, with an outage in it. The same numbers come out each time. Everything
that is assumed stands here, so put in what you have measured.
"""

import collections
import functools
import random

# What a team does in a day
ALERTS = 30             # with a picture, each at its own time
BOTS = (1, 1, 1, 3)     # how many ask for an alert's picture, within a second
ASKED = 10              # times that somebody asks in the chat
REPEATS = (0, 1, 2)     # and colleagues the same again, within a minute
WORKING_SHARE = 0.7     # of all that in the eight hours from nine on

# The outage, at eleven
OUTAGE = 11 * 3600
HIT_SHARE = 0.2         # of all teams are hit
HIT_PANELS = 10         # each looks at so many panels
HIT_POSTS = 20          # and asks for each so often
HIT_SECONDS = 120       # within

# What it takes
RENDER_SECONDS = 2      # Grafana and its renderer, for one picture
AT_ONCE = 4             # pictures that one renderer machine draws at one time
MAX_RENDERS = 16        # the setting, of one responder
WAIT_SECONDS = 20       # the setting: how long a request may wait for its turn
IMAGE_BYTES = 60000     # a picture as kept
KEEP_DAYS = 90


def time_of_day(dice):
    if dice.random() < WORKING_SHARE:
        return dice.uniform(9 * 3600, 17 * 3600)
    return dice.uniform(0, 86400)


@functools.lru_cache(1000)
def questions(team):
    """For each panel that the team looks at, when it is asked for."""
    dice = random.Random(team)
    panels = []
    for _ in range(ALERTS):
        begin = time_of_day(dice)
        panels.append([begin] + [begin + dice.random()
                                 for _ in range(dice.choice(BOTS) - 1)])
    for _ in range(ASKED):
        begin = time_of_day(dice)
        panels.append([begin] + [begin + dice.uniform(0, 60)
                                 for _ in range(dice.choice(REPEATS))])
    if dice.random() < HIT_SHARE:
        for _ in range(HIT_PANELS):
            panels.append([OUTAGE + dice.uniform(0, HIT_SECONDS)
                           for _ in range(HIT_POSTS)])
    return panels


def renders(asked, sharing, reuse_seconds):
    """When one panel is rendered."""
    answered_until = -1
    for when in sorted(asked):
        if not sharing or when > answered_until:
            yield when
            answered_until = when + RENDER_SECONDS + reuse_seconds


def is_enough(starts, slots):
    """Does nobody wait too long, with so many renders at one time?"""
    begun = []
    for n, when in enumerate(starts):
        # all take the same time: the one that came "slots" earlier is over first
        begin = when
        if n >= slots and begun[n - slots] + RENDER_SECONDS > when:
            begin = begun[n - slots] + RENDER_SECONDS
            if begin - when > WAIT_SECONDS:
                return False
        begun.append(begin)
    return True


def slots_needed(starts):
    """The fewest with which it is."""
    low, high = 1, 1
    while not is_enough(starts, high):
        low, high = high + 1, high * 2
    while low < high:
        middle = (low + high) // 2
        if is_enough(starts, middle):
            high = middle
        else:
            low = middle + 1
    return low


def day(teams, sharing=True, reuse_seconds=5):
    posts, starts = 0, []
    for team in range(teams):
        for asked in questions(team):
            posts += len(asked)
            starts.extend(renders(asked, sharing, reuse_seconds))
    starts.sort()
    busy = [s for s in starts
            if OUTAGE - 60 <= s <= OUTAGE + HIT_SECONDS + 60]
    slots = slots_needed(busy)
    seconds = collections.Counter(map(int, starts))
    return {
        "posts a day": posts,
        "renders a day": len(starts),
        "renders in the busiest second": max(seconds.values()),
        "renders at one time": slots,
        "renderer machines": -(-slots // AT_ONCE),
        "responders": -(-slots // MAX_RENDERS),
        "GB a day": len(starts) * IMAGE_BYTES / 1e9,
        "GB kept": len(starts) * IMAGE_BYTES * KEEP_DAYS / 1e9,
    }


def text(value):
    if isinstance(value, int):
        return "{:,}".format(value)
    return "{:,.1f}".format(value) if value < 100 else "{:,.0f}".format(value)


def table(first, rows):
    names = list(rows[0][1])
    print("| " + " | ".join([first] + names) + " |")
    print("|" + " ---: |" * (len(names) + 1))
    for label, row in rows:
        print("| " + " | ".join([label] + [text(row[n]) for n in names]) + " |")


def main():
    table("teams", [(text(n), day(n)) for n in (1, 10, 100, 1000, 10000)])
    print()
    table("1,000 teams", [
        ("nothing shared", day(1000, sharing=False)),
        ("`reuse_seconds = 0`", day(1000, reuse_seconds=0)),
        ("`reuse_seconds = 5`", day(1000, reuse_seconds=5)),
        ("`reuse_seconds = 60`", day(1000, reuse_seconds=60)),
        ("`reuse_seconds = 300`", day(1000, reuse_seconds=300)),
    ])


if __name__ == "__main__":
    main()
