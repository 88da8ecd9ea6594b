"""Takes the README's picture of a loop's report: `uv run python docs/pictures.py REPORT`. Needs Chromium.

REPORT is `.azureml-local/loop.html` of a project in which `mlops loop` has completed.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageChops

PICTURE = Path(__file__).with_name("loop-report.png")
WIDTH, HEIGHT, MARGIN = 1000, 4000, 24
COLOURS = 64


def main() -> int:
    """Take the picture, cut off the empty area at the bottom, and save it with few colours."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        return refuse("name the report, .azureml-local/loop.html of a project in which `mlops loop` has completed")
    if browser is None:
        return refuse("Chromium is not installed, but it takes the picture: install it")
    with tempfile.TemporaryDirectory() as folder:
        taken = Path(folder) / "page.png"
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"]
        page = Path(sys.argv[1]).resolve().as_uri()
        subprocess.run([browser, *options, f"--screenshot={taken}", page], check=True, capture_output=True)
        picture = Image.open(taken).convert("RGB")
    background = Image.new("RGB", picture.size, picture.getpixel((0, 0)))
    lowest = ImageChops.difference(picture, background).getbbox()[3]
    picture.crop((0, 0, WIDTH, lowest + MARGIN)).quantize(COLOURS).save(PICTURE, optimize=True)
    print(f"{PICTURE.name}: {PICTURE.stat().st_size // 1024} kB")
    return 0


def refuse(message: str) -> int:
    """Print an error and return the exit code for wrong input."""
    print(f"pictures: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
