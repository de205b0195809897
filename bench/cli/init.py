"""``lab2factory init``: a commented configuration to start from."""

from __future__ import annotations

from pathlib import Path

import typer

from .run import emit

NAME = "lab2factory.yaml"

TEMPLATE = """\
# A run of lab2factory. Edit the lines marked <--, then: lab2factory run lab2factory.yaml
# Every key that is left out has its default; `lab2factory run --schema` lists them all.

name: my-parts                   # names the folder runs/my-parts
seed: 0

dataset:
  path: path/to/images           # <-- a folder or a manifest; look at it first: lab2factory dataset inspect PATH
  layout: auto                   # what the folder looks like: lab2factory ls layouts
  object_policy: required        # <-- several images of one part must share an object id; if every image shows
                                 #     another part, write image_is_object
  # object_from: '(?P<object>part\\d+)_(?P<view>\\d+)'   # finds the object id in the file's relative path

detectors:                       # lab2factory ls detectors; presets: paper, small, tiny
  - name: knn
    preset: tiny
  - name: csflow
    label: CS-Flow
    preset: tiny
  # - name: glass
  #   preset: small
  # - class_path: my_package.MyDetector    # your own; or a file with: lab2factory run ... --plugin my_detector.py
  #   init_args: {}
  # - scores: vendor.csv                   # scores from elsewhere (sample_id, label, score)

protocols:
  - name: naive                  # the number that papers report, for comparison
  - name: three_way              # the number that holds: threshold and verdict on separate parts
    repeats: 10                  # or runs of folds: remove this line and write  design: rotate
    # swap: true                 # judge each training in both directions: less noise, no further training
    # blocks: 10                 # do all of it so many times: how replicable are comparisons?
    # conditional: true          # blocks without further trainings
    thresholds:
      - youden
      - {rule: cost, missed: 100, false_alarm: 2, prevalence: 0.01}   # <-- what a missed defect and a false alarm cost
      - {rule: max_fpr, value: 0.05}                                   # at most 5 % false alarms

evaluation:
  level: 0.95                    # of all intervals
  prevalence: 0.01               # <-- share of defective parts on the factory floor
  object_score: max              # how the images of one part become one score
  requirements:                  # <-- what the line needs; the report says: met, not met, or not shown
    object_sensitivity: 0.95
    object_overkill: 0.05

store: {models: none, maps: worst}     # models: all keeps the trained models for `lab2factory score`
"""


def init(
    folder: Path = typer.Argument(Path(), metavar="[DIR]", help="Where to write it.", show_default="here"),
    json: bool = typer.Option(False, "--json", help="The result as one JSON document on standard output."),
) -> None:
    """Write a commented lab2factory.yaml and say what to edit; nothing is overwritten.

    \b
    Example: lab2factory init my-project
    """
    from bench.atomic import write_atomic
    from protocols.errors import InputError

    path = folder / NAME
    if path.exists():
        raise InputError(str(path), "a file", "no file of that name", "Edit it, or name another folder.")
    write_atomic(path, TEMPLATE.encode())
    edit = [
        "dataset.path: where your images are",
        "dataset.object_policy: whether several images show the same part",
        "evaluation.prevalence, requirements, costs: your line's figures",
    ]
    steps = [f"lab2factory run {path} --dry-run", f"lab2factory run {path}"]
    lines = [
        f"wrote {path}",
        "edit the lines marked <--:",
        *(f"  {line}" for line in edit),
        "then:",
        *(f"  {s}" for s in steps),
    ]
    emit({"config": str(path), "edit": edit, "next": steps}, "\n".join(lines), json)
