"""The command as a user runs it: real processes, on a tiny model unless marked."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import grace
from tests.forks import can_fork, forks

Tiny = Callable[[str], Path]
STUDY1 = 4 * 11 + 2  # options asked of one trial of study 1, experiment 2
STUDY2 = 2 + 4 + 8


def command(*words: str, cwd: Path | None = None, module: str = "grace.run") -> list[str]:
    return [sys.executable, "-m", module, *words]


def run(*words: str, cwd: Path, code: int = 0, module: str = "grace.run") -> str:
    """What the command says; it must end with this exit code, and without a traceback."""
    environment = os.environ | {"COLUMNS": "160"}
    if can_fork(environment):
        done = forks().run(module, words, cwd, environment)
    else:
        done = subprocess.run(
            command(*words, module=module), cwd=cwd, capture_output=True, text=True, timeout=600,
            env=environment, check=False,
        )  # fmt: skip
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    assert "Traceback" not in output, output
    return output


def model(folder: Path) -> list[str]:
    return [f"model.path={folder}", "model.name=tiny"]


def probabilities(table: pd.DataFrame) -> pd.Series:
    keys = [c for c in table.columns if c not in NOT_KEYS]
    return table.groupby(keys, dropna=False)["prob"].sum()


NOT_KEYS = {
    "option", "value", "answer", "logprob", "log_mass", "prob", "prob_low", "prob_high",
    "mass", "n_tokens", "method", "replicate", "response", "parse_status", "flags",
}  # fmt: skip


def test_all_four_runs_from_one_command(tiny: Tiny, tmp_path: Path) -> None:
    output = run(
        "--multirun", "study=1,2", "exp=1,2", "pilot=10", "exp.answer_prefix=Answer:",
        *model(tiny("llama-byte")), cwd=tmp_path,
    )  # fmt: skip
    for study, options in (("1", STUDY1), ("2", STUDY2)):
        scored = grace.load(tmp_path / "outputs" / study / "2" / "tiny")
        assert len(scored.trials) == 10
        assert len(scored.responses) == 10 * options
        assert np.allclose(probabilities(scored.responses), 1, rtol=0, atol=1e-9)
        raw = grace.load(tmp_path / "outputs" / study / "1" / "tiny")
        assert len(raw.trials) == 10
        assert raw.trials["response"].notna().all()
        assert raw.trials["seed"].nunique() == 10
        for folder in (scored.path, raw.path):
            for table in ("trials", "responses"):
                same_numbers(folder / f"{table}.csv", folder / f"{table}.parquet")
            assert str(folder.relative_to(tmp_path) / "trials.csv") in output


def same_numbers(csv: Path, parquet: Path) -> None:
    """What pandas and R read from the CSV is what is in the Parquet, to the last digit."""
    right = pd.read_parquet(parquet)
    found = pd.read_csv(csv, keep_default_na=False, na_values=[""])
    assert list(found) == list(right)
    numbers = right.select_dtypes("number")
    assert numbers.shape[1] > 3
    for name in numbers:
        assert pd.api.types.is_numeric_dtype(found[name]), (name, found[name].iloc[0])
        np.testing.assert_array_equal(found[name].astype(float), right[name].astype(float))
    texts = right.columns.difference(numbers.columns)
    nothing = right[texts].isna() | (right[texts] == "")
    assert (found[texts].isna() == nothing).all(axis=None)


def test_the_columns_promised_for_study_1(tiny: Tiny, tmp_path: Path) -> None:
    run("study=1", "exp=2", "pilot=6", *model(tiny("llama-byte")), cwd=tmp_path)
    result = grace.load(tmp_path / "outputs/1/2/tiny")
    trials = result.trials
    percent = range(0, 101, 10)
    expected = ["participant_id", "access", "observe", "objects", "predicate", "model"]
    expected += [f"state{k}_prob_{p}" for k in range(4) for p in percent]
    expected += [f"state{k}_{c}" for k in range(4) for c in ("mean", "std", "entropy", "mass")]
    expected += ["prob_knowledge_yes", "prob_knowledge_no", "entropy_knowledge", "knowledge_mass"]
    expected += [f"p_state_{k}" for k in range(4)] + ["coherence"]
    expected += [f"p_state_{k}_coherent" for k in range(4)] + ["coherence_z"]
    assert not set(expected) - set(trials.columns)
    assert result.matrices.shape == (6, 4, 11)
    # Against the definitions, from the tidy table alone.
    state = result.responses.query("question == 'state'")
    for k in range(4):
        rows = state[state["state"] == k].groupby(["participant_id", "story_shortname"], sort=False)
        mean = rows.apply(lambda r: (r["prob"] * r["value"]).sum())
        assert trials[f"state{k}_mean"].to_numpy() == pytest.approx(mean.to_numpy())
        assert result.matrices[:, k].sum(axis=1) == pytest.approx(1, abs=1e-9)
        mass = rows.apply(lambda r: np.exp(r["log_mass"]).sum())
        assert trials[f"state{k}_mass"].to_numpy() == pytest.approx(mass.to_numpy())
        entropy = rows.apply(lambda r: -(r["prob"] * np.log2(r["prob"])).sum())
        assert trials[f"state{k}_entropy"].to_numpy() == pytest.approx(entropy.to_numpy())
    means = trials[[f"state{k}_mean" for k in range(4)]].to_numpy()
    assert trials["coherence"].to_numpy() == pytest.approx(means.sum(axis=1) / 100)
    shares = trials[[f"p_state_{k}" for k in range(4)]].to_numpy()
    assert shares == pytest.approx(means / means.sum(axis=1, keepdims=True))
    coherent = trials[[f"p_state_{k}_coherent" for k in range(4)]].to_numpy()
    assert coherent.sum(axis=1) == pytest.approx(1, abs=1e-9)


def test_the_columns_promised_for_study_2(tiny: Tiny, tmp_path: Path) -> None:
    run("study=2", "exp=2", "pilot=12", *model(tiny("qwen-whole")), cwd=tmp_path)
    result = grace.load(tmp_path / "outputs/2/2/tiny")
    adjectives = ("terrible", "bad", "good", "amazing")
    utterances = [f"prob_{f}_{a}" for f in ("was", "wasnt") for a in adjectives]
    expected = ["prob_was", "prob_wasnt", "frame_mass", *(f"prob_{a}" for a in adjectives)]
    expected += ["assessment_mass", *utterances, "entropy_utterance", "utterance_mass"]
    assert not set(expected) - set(result.trials.columns)
    table = result.trials
    assert table[utterances].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-9)
    assert table["prob_utterance_was"].to_numpy() == pytest.approx(
        table[utterances[:4]].sum(axis=1).to_numpy()
    )
    assert table["prob_utterance_bad"].to_numpy() == pytest.approx(
        (table["prob_was_bad"] + table["prob_wasnt_bad"]).to_numpy()
    )
    cells = table.groupby(["goal_type", "hearts"]).size()
    assert len(cells) == 12


def test_the_prior_is_asked_when_wanted(tiny: Tiny, tmp_path: Path) -> None:
    run("exp.prior=true", "pilot=3", *model(tiny("llama-byte")), cwd=tmp_path)
    result = grace.load(tmp_path / "outputs/1/2/tiny")
    assert "prior_state3_prob_100" in result.trials
    assert set(result.responses["question"]) == {"state", "knowledge", "prior"}
    refused = run("study=2", "exp.prior=true", *model(tiny("llama-byte")), cwd=tmp_path, code=1)
    assert "no prior question" in refused


def test_each_distinct_query_is_asked_once(tiny: Tiny, tmp_path: Path, original: Path) -> None:
    output = run(f"data={original / 'study1.csv'}", *model(tiny("llama-byte")), cwd=tmp_path)
    assert re.search(r"queries +180 distinct, for 1,500 answers", output)
    result = grace.load(tmp_path / "outputs/1/2/tiny")
    assert len(result.trials) == 300
    assert result.manifest["plan"]["queries"] == 180
    assert result.manifest["counts"]["answered"] == 180
    assert np.allclose(probabilities(result.responses), 1, rtol=0, atol=1e-9)
    same = result.trials.groupby(["story_shortname", "access", "observe"])["state1_mean"]
    assert (same.nunique() == 1).all()


def test_the_same_command_again_asks_nothing(tiny: Tiny, tmp_path: Path) -> None:
    words = ("pilot=5", *model(tiny("llama-byte")))
    run(*words, cwd=tmp_path)
    before = (tmp_path / "outputs/1/2/tiny/trials.csv").read_bytes()
    again = run(*words, cwd=tmp_path)
    assert "25 answered before" in again
    assert (tmp_path / "outputs/1/2/tiny/trials.csv").read_bytes() == before


def test_a_raw_answer_is_drawn_for_each_trial_and_stays_the_same(
    tiny: Tiny, tmp_path: Path
) -> None:
    words = ("exp=1", "exp.max_tokens=12", *model(tiny("llama-byte")))
    run(*words, "pilot=30", "output=a", cwd=tmp_path)
    run(*words, "pilot=30", "output=b", "engine.max_batch_texts=4", cwd=tmp_path)
    one = grace.load(tmp_path / "a/1/1/tiny").trials
    two = grace.load(tmp_path / "b/1/1/tiny").trials
    assert one["response"].tolist() == two["response"].tolist()
    assert one["response"].nunique() > 25
    run(*words, "pilot=3", "output=c", "exp.replicates=4", cwd=tmp_path)
    many = grace.load(tmp_path / "c/1/1/tiny").trials
    assert many["replicate"].tolist() == [0, 1, 2, 3] * 3
    assert many["seed"].nunique() == 12


def test_dry_run_shows_prompts_tokens_and_boundary_and_writes_nothing(
    tiny: Tiny, tmp_path: Path
) -> None:
    output = run("dry_run=true", *model(tiny("llama-byte")), cwd=tmp_path)
    assert "queries" in output
    assert "the answer begins here" in output
    assert "question state, state 0" in output
    assert "question knowledge" in output
    assert "‖ '1' '0' '%'" in output
    assert not (tmp_path / "outputs").exists()


def test_tag_and_output_name_the_folder(tiny: Tiny, tmp_path: Path) -> None:
    words = ("pilot=1", "output=elsewhere", "tag=warm", *model(tiny("llama-byte")))
    run(*words, cwd=tmp_path)
    assert (tmp_path / "elsewhere/1/2/tiny-warm/manifest.json").is_file()


def test_failed_queries_are_missing_and_the_exit_code_is_3(tiny: Tiny, tmp_path: Path) -> None:
    output = run(
        "pilot=2", "model.max_length=150", *model(tiny("llama-base-no-bos")), cwd=tmp_path, code=3
    )
    assert "queries failed" in output
    result = grace.load(tmp_path / "outputs/1/2/tiny")
    failed = result.responses[result.responses["flags"].str.startswith("failed: ")]
    assert len(failed)
    assert failed[["logprob", "prob", "mass"]].isna().all().all()
    assert result.manifest["counts"]["failed"] > 0
    assert result.trials["flags"].str.contains("takes 150").all()


BAD_SETTINGS = [
    (["model=gpt-9"], "gpt-9"),
    (["study=9"], "study/9"),
    (["exp=3"], "exp/3"),
    (["nonsense=1"], "nonsense"),
    (["pilot=0"], "pilot=0"),
    (["pilot=many"], "pilot='many'"),
    (["exp.low_mass=2"], "exp.low_mass=2"),
    (["exp=1", "exp.temperature=-1"], "exp.temperature=-1"),
    (["tag=../up"], "tag='../up'"),
    (["data=nowhere.csv"], "nowhere.csv: no such file"),
    (["model.path=nowhere"], "nowhere"),
    (["engine.device=abacus"], "engine.device=abacus"),
    (["store=."], "."),
]


@pytest.mark.parametrize(("words", "found"), BAD_SETTINGS, ids=[w[-1] for w, _ in BAD_SETTINGS])
def test_bad_settings_are_one_sentence_and_exit_1(
    words: list[str], found: str, tiny: Tiny, tmp_path: Path
) -> None:
    base = [] if any("model" in word for word in words) else model(tiny("llama-byte"))
    assert found in run(*words, *base, cwd=tmp_path, code=1)


def test_ctrl_c_leaves_what_there_is_and_exits_130(tiny: Tiny, tmp_path: Path) -> None:
    words = command("engine.max_batch_tokens=4", *model(tiny("mistral-piece")))
    for number in (signal.SIGINT, signal.SIGTERM):
        folder = f"output=after{number.value}"
        process = subprocess.Popen(
            [*words, folder],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        _wait_for_answers(tmp_path / f"after{number.value}/answers.sqlite", process)
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 130, output
        assert "Traceback" not in output
        assert "Run the same command again" in output
        left = tmp_path / f"after{number.value}/1/2/tiny"
        manifest = json.loads((left / "manifest.json").read_text())
        assert manifest["status"] == "interrupted"
        assert manifest["counts"]["not_asked"] > 0
    run(*words[3:], folder, cwd=tmp_path)
    assert grace.load(left).manifest["status"] == "complete"


def _wait_for_answers(store: Path, process: subprocess.Popen[str]) -> None:
    """Until the store's log has grown: some answers have arrived."""
    for _ in range(600):
        if process.poll() is not None:
            raise AssertionError(process.communicate()[0])
        wal = store.with_name(store.name + "-wal")
        if wal.exists() and wal.stat().st_size > 60_000:
            return
        time.sleep(0.05)
    raise AssertionError("no answers arrived")


def test_help_is_quick_and_says_how(tmp_path: Path) -> None:
    output = run("--help", cwd=tmp_path)
    assert "study=1 exp=2" in output
    assert "smollm2-135m" in output
    look = "import sys, grace.run; print({'torch', 'transformers', 'pandas'} & {*sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", look], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert loaded.stdout.strip() == "set()"


def test_cfg_job_shows_the_settings(tmp_path: Path) -> None:
    output = run("study=2", "exp=1", "--cfg", "job", cwd=tmp_path)
    assert "temperature: 0.7" in output
    assert "Polite speech" in output
