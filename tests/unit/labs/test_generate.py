"""The students' notebooks are the solutions with the solution cut out, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.labs import generate

EXERCISES = Path(__file__).parents[3] / "exercises"
SOLUTIONS = sorted((EXERCISES / "solutions").glob("*.ipynb"))


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)
def test_the_committed_copy_is_the_generated_one(solution: Path) -> None:
    committed = (EXERCISES / solution.name).read_text(encoding="utf-8")
    assert committed == generate.render(solution), "run: python -m workbench.labs.generate"


def test_every_exercise_has_its_solution() -> None:
    assert {p.name for p in EXERCISES.glob("*.ipynb")} == {p.name for p in SOLUTIONS} != set()


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)
def test_no_line_of_the_solution_is_in_the_students_copy(solution: Path) -> None:
    text = (EXERCISES / solution.name).read_text(encoding="utf-8")
    lines: list[str] = []
    for cell in json.loads(solution.read_text(encoding="utf-8"))["cells"]:
        inside = False
        for line in "".join(cell["source"]).splitlines():
            if line in (generate.BEGIN, generate.END):
                inside = line == generate.BEGIN
            elif inside and line.strip() and f"#| {line}" not in "".join(cell["source"]):
                lines.append(line)
    assert lines
    assert not [line for line in lines if json.dumps(line)[1:-1] in text]


def test_a_cell_is_cut_and_the_students_lines_appear() -> None:
    source = "a = 1\n# <solution>\nb = 2\n# </solution>\n#| b = ...\n#|\n#|     c = 3"
    assert generate.student(source) == "a = 1\nb = ...\n\n    c = 3"
    assert generate.visible(source) == "a = 1\nb = 2"


@pytest.mark.parametrize("source", ["# <solution>", "# </solution>", "# <solution>\n# <solution>\n# </solution>"])
def test_marks_that_do_not_match_are_refused(source: str) -> None:
    with pytest.raises(ValueError, match="solution"):
        generate.student(source)


def test_outputs_and_cells_for_the_solution_alone_are_dropped() -> None:
    code = {"cell_type": "code", "metadata": {}, "source": ["x"], "outputs": [{"text": "1"}], "execution_count": 4}
    only = {**code, "metadata": {"tags": ["solution-only"]}}
    made = generate.convert({"cells": [code, only, {"cell_type": "markdown", "source": ["# <solution>"]}]})
    assert made["cells"][0] == {**code, "outputs": [], "execution_count": None}
    assert [c["cell_type"] for c in made["cells"]] == ["code", "markdown"]


def test_the_command_writes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "solutions").mkdir()
    for solution in SOLUTIONS:
        (tmp_path / "solutions" / solution.name).write_bytes(solution.read_bytes())
    generate.main(tmp_path)
    assert {p.name for p in tmp_path.glob("*.ipynb")} == {p.name for p in SOLUTIONS}
    assert all(s.name in capsys.readouterr().out for s in SOLUTIONS[-1:])
