"""Writes template/data/sample.csv, the default data of `dataset=custom`: wear of machines, with targets for all tasks.

Run it from the repository's folder: `uv run python tests/make_sample.py`.
"""

import csv
import io
import random
from pathlib import Path

SAMPLE = Path(__file__).parents[1] / "template" / "data" / "sample.csv"
ROWS = 400
COLUMNS = [
    "machine_id",
    "temperature",
    "vibration",
    "pressure",
    "age in days",
    "plant",
    "model",
    "failed",
    "condition",
    "hours_to_service",
]
MODEL_WEAR = {"M100": 0.0, "M200": 0.6, "M300": -0.4}


def machine(number: int, draw: random.Random) -> list[object]:
    """Return one machine. Wear shows in its sensors, and wear plus noise decides all three targets."""
    plant = draw.choice(["Berlin", "Porto", "Oslo"])
    model = draw.choice(list(MODEL_WEAR))
    age = draw.randint(10, 3000)
    strain = draw.gauss(0, 1)
    wear = 2.0 * age / 3000 + 0.8 * strain + MODEL_WEAR[model] + (0.3 if plant == "Porto" else 0.0)
    temperature = 62 + 5 * strain + draw.gauss(0, 1.5)
    vibration = 2.0 + 0.9 * wear + draw.gauss(0, 0.3)
    pressure = 101 + draw.gauss(0, 4)
    shown = wear + draw.gauss(0, 0.25)
    return [
        f"machine-{number:04d}",
        "" if draw.random() < 0.03 else round(temperature, 1),
        round(vibration, 2),
        round(pressure, 1),
        age,
        plant,
        model,
        "yes" if shown > 1.6 else "no",
        "failing" if shown > 1.8 else "worn" if shown > 0.8 else "good",
        round(max(0.0, 1500 - 450 * shown)),
    ]


def content() -> str:
    """Return the whole file, which is the same on every machine."""
    draw = random.Random(7)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(machine(number, draw) for number in range(1, ROWS + 1))
    return text.getvalue()


if __name__ == "__main__":
    SAMPLE.write_text(content(), encoding="utf-8", newline="\n")
