"""The tables of what models cost."""

from report_support import load, save, write_classification, write_results

from mimii.report import cost_tables


def test_every_way_of_scoring_has_a_row(two_scorings):
    [table] = cost_tables.efficiency(two_scorings, "auc")
    assert set(table.texts.index) == set(two_scorings.detection["label"])
    assert table.values["AUC"].is_monotonic_decreasing
    assert "Latency is the time to score one recording." in table.caption


def test_what_disturbs_a_comparison_is_said(tmp_path):
    rows = write_results(tmp_path, files=False)
    [table] = cost_tables.efficiency(load(tmp_path), "auc")
    assert "side by side" not in table.caption
    assert "beside another process" not in table.caption
    rows = rows.assign(jobs=1, measured_alone="yes")
    rows.loc[:2, ["jobs", "measured_alone"]] = [4, "no"]
    rows["stacked_with"] = [47] + [0] * (len(rows) - 1)
    save(rows, tmp_path / "research_results.csv")
    [table] = cost_tables.efficiency(load(tmp_path), "auc")
    assert "Up to 4 models were trained side by side" in table.caption
    assert "Up to 48 networks were one stacked network" in table.caption
    assert f"3 of {len(rows)} runs were measured beside another process" in table.caption


def test_columns_have_the_headings_and_formats_of_the_schema(tmp_path):
    write_results(tmp_path, files=False)
    write_classification(tmp_path)
    detection, classification = cost_tables.efficiency(load(tmp_path), "auc")
    headings = ["Parameters", "Size [MB]", "Training [s]", "Latency [ms]"]
    headings += ["Window [ms]", "Recordings/s", "Windows/s", "RAM [MB]"]
    assert list(detection.texts.columns) == ["AUC", *headings]  # on a CPU there is no GPU memory to show
    assert list(classification.texts.columns) == ["Balanced accuracy", *headings]
    assert detection.texts.loc["conv_ae"].tolist()[1:] == [
        *("2,000", "0.200", "1.50", "0.300", "0.040", "250.0", "100,000", "40.0")
    ]
