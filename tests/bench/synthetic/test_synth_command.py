import json
import subprocess
import sys


def synth(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "bench", "dataset", "synth", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_command_renders_counts_and_draws_a_sheet(tmp_path):
    out = tmp_path / "links"
    done = synth(
        out, "--profile", "tiny", "--set", "leak=rerecorded", "--set", "n_views=4", "--contact-sheet", "--json"
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["counts"]["objects_in_train_and_test"] == 4 and document["counts"]["train"] == 32
    assert document["manifest"] == str(out / "manifest.csv") and (out / "contact_sheet.png").is_file()
    assert "render: 72 of 72" in done.stderr
    again = synth(out, "--profile", "tiny", "--set", "leak=rerecorded", "--set", "n_views=4")
    assert again.returncode == 0 and "32 training images" in again.stdout


def test_wrong_keys_and_values_end_with_code_2_and_one_line(tmp_path):
    for arguments, message in [
        (["--set", "lek=none"], "error: synthetic parameters: found 'lek'"),
        (["--set", "noise=loud"], "error: synthetic.noise: found 'loud'"),
        (["--set", "noise"], "error: --set: found 'noise', expected KEY=VALUE"),
        (["--profile", "big"], "error: synthetic profile: found 'big'"),
        (["--seed", "-1"], "error: seed: found -1"),
        (["--workers", "many"], "error: --workers: found 'many'"),
    ]:
        failed = synth(tmp_path / "x", *arguments)
        assert failed.returncode == 2 and failed.stderr.startswith(message) and failed.stderr.count("\n") == 1
        assert not (tmp_path / "x").exists()
