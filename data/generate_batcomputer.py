"""Generates batcomputer.csv: made-up crimes of a made-up city, and whether each was solved.

The same numbers come out every time. How likely a crime is solved depends on what it is, where it happened and the
month, with chance on top, so that there is something to learn and a limit to how well it can be learned.

    python data/generate_batcomputer.py [file]
"""

import csv
import math
import random
import sys
from pathlib import Path

SEED = 1939
ROWS = 4000

# How common each crime is, and how much its kind speaks for (or against) its being solved, in log-odds.
CRIMES = {
    "arson": (4, -0.6),
    "assault": (18, 1.3),
    "bicycle theft": (12, -2.6),
    "burglary": (16, -1.4),
    "drugs": (9, 2.4),
    "fraud": (8, -0.9),
    "robbery": (11, 0.2),
    "shoplifting": (14, 1.0),
    "vehicle theft": (8, -1.9),
}

# How much happens in each region, and how well its police does.
REGIONS = {
    "airport": (5, 1.1),
    "docks": (14, -1.0),
    "financial district": (12, 0.6),
    "harbour": (11, -0.4),
    "northside": (20, 0.3),
    "old town": (22, -0.2),
    "university": (16, 0.1),
}

# The docks see a burglary or theft and nothing else; cameras at the airport do.
SPECIAL = {("docks", "burglary"): -0.8, ("airport", "vehicle theft"): 1.6, ("university", "bicycle theft"): -0.6}


def season(month):
    """Long nights help the burglar: the log-odds are best in June and worst in December."""
    return 0.7 * math.cos((month - 6) / 12 * 2 * math.pi)


def crimes(count, seed):
    chance = random.Random(seed)
    for _ in range(count):
        month = chance.randint(1, 12)
        region = pick(chance, REGIONS)
        crime = pick(chance, CRIMES)
        log_odds = CRIMES[crime][1] + REGIONS[region][1] + SPECIAL.get((region, crime), 0) + season(month)
        solved = chance.random() < 1 / (1 + math.exp(-log_odds))
        yield month, region, crime, "yes" if solved else "no"


def pick(chance, table):
    return chance.choices(list(table), weights=[weight for weight, _ in table.values()])[0]


def main():
    default = Path(__file__).with_name("batcomputer.csv")
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["month", "region", "crime", "solved"])
        writer.writerows(crimes(ROWS, SEED))


if __name__ == "__main__":
    main()
