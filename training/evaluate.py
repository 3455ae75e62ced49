"""Grade the embedded models on the test seeds, which nothing was ever trained or tuned on.

    python -m training.evaluate captioner --write

Each model has a module with `add_arguments(parser)` and `evaluate(options) -> str`, a Markdown report, and one line in
`GRADERS`. With --write the report goes to bench/results/.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from training import (
    grade_captioner,
    grade_control,
    grade_depth,
    grade_diffusion,
    grade_inpainting,
    grade_keywords,
    grade_vqa,
)

GRADERS = {
    "captioner": grade_captioner,
    "control": grade_control,
    "depth": grade_depth,
    "diffusion": grade_diffusion,
    "inpainting": grade_inpainting,
    "keywords": grade_keywords,
    "vqa": grade_vqa,
}


def main() -> None:
    """Grade one model and print, or write, the report."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="write the report to bench/results/NAME.md")
    commands = parser.add_subparsers(dest="name", required=True)
    for name, grader in GRADERS.items():
        command = commands.add_parser(name, help=grader.__doc__.split("\n")[0] if grader.__doc__ else None)
        grader.add_arguments(command)
        command.add_argument("--write", action="store_true", default=argparse.SUPPRESS)
    options = parser.parse_args()

    report = GRADERS[options.name].evaluate(options)
    print(report)
    if options.write:
        Path(f"bench/results/{options.name}.md").write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
