"""The folder to publish: an entrance, tables that pandas reads, links that lead somewhere."""

import re
import shutil

import pandas as pd
import pytest

from tsprune.batch.site import make_site
from tsprune.errors import UserError
from tsprune.report.info import ReportInfo
from tsprune.steps.archive import Archive, project_archive

SOME = ("01_pruning_sweep/ILI", "05_pals/ILI", "06_inference/ETTh1")
"""Of the files that ship: with times of trained models, without, and with nothing else."""


def test_the_entrance_leads_to_pages_and_tables_and_says_what_was_run_where(tmp_path, monkeypatch):
    ran = []

    def run_profile(runs, hours, only_pages) -> int:
        ran.append(([run.name for run in runs], hours, only_pages, {run.parameters["store"] for run in runs}))
        runs[0].folder.mkdir(parents=True)
        (runs[0].folder / "index.html").touch()
        return 0

    def reports_in(folder):
        (folder / "07_claims.html").touch()
        told = {"title": "What <b>?", "headline": "Four hold.", "thumbnail": None, "status": "ok"}
        return [ReportInfo(html=folder / "07_claims.html", parameters={"dataset": "ILI"}, **told)]

    for name in SOME:
        (tmp_path / "results" / name).parent.mkdir(parents=True)
        shutil.copy(project_archive().folder / f"{name}.jsonl.gz", tmp_path / "results" / f"{name}.jsonl.gz")
    monkeypatch.setattr("tsprune.batch.results.project_archive", lambda: Archive(tmp_path / "results"))
    monkeypatch.setattr("tsprune.batch.site.run_profile", run_profile)
    monkeypatch.setattr("tsprune.batch.site.reports_in", reports_in)
    site, store = tmp_path / "site", tmp_path / "store"
    assert make_site(["paper_ili"], str(site), str(store)) == 0
    ((names, hours, only_pages, stores),) = ran
    assert "01_pruning_sweep" in names and hours == 0 and only_pages and stores == {str(store)}
    page = (site / "index.html").read_text()
    links = re.findall(r'href="([^"]+)"', page)
    assert "paper_ili/index.html" in links and "paper_ili/07_claims.html" in links and len(links) >= 5
    assert "What &lt;b&gt;?" in page and "Four hold." in page and ">ILI</a> (profile paper_ili)" in page
    assert [link for link in links if not (site / link).exists()] == []
    assert "claims of the two papers" in page and "hours" in page and "ILI" in page
    cells = pd.read_parquet(site / "tables" / "01_pruning_sweep-ILI.parquet")
    assert {"key", "model", "seed", "metric", "value"} <= set(cells) and (cells["metric"] == "mse").any()
    assert list(pd.read_csv(site / "tables" / "01_pruning_sweep-ILI.csv")) == list(cells)
    times = pd.read_parquet(site / "tables" / "06_inference-ETTh1-times.parquet")
    assert {"model", "form", "runtime", "batch", "speedup", "processor"} <= set(times) and len(times) > 100
    assert (site / "tables" / "01_pruning_sweep-ILI-times.csv").exists()
    assert not (site / "tables" / "05_pals-ILI-times.csv").exists()  # nothing was timed there


@pytest.mark.parametrize(("name", "chosen_by"), [("folder", "--output"), ("store", "--store")])
def test_a_folder_that_cannot_be_made_is_told_before_anything_is_read(tmp_path, name, chosen_by):
    (tmp_path / "file").write_text("x")
    folders = {"folder": tmp_path / "site", "store": tmp_path / "store"} | {name: tmp_path / "file" / "in"}
    with pytest.raises(UserError, match=f"is a file, not a folder; choose another folder with {chosen_by}"):
        make_site(["paper_ili"], *map(str, folders.values()))
    assert not (tmp_path / "site").exists()
