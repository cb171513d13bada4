"""The tables of what models cost."""

from report_support import write_classification, write_results

from mimii.report import cost_tables, loading


def test_every_way_of_scoring_has_a_row(two_scorings):
    [table] = cost_tables.efficiency(two_scorings, "auc")
    assert list(table.texts.index) == list(two_scorings.detection["label"].unique())
    assert "with the clip-level detectors (knn), one recording" in table.caption


def test_columns_have_the_headings_and_formats_of_the_schema(tmp_path):
    write_results(tmp_path, files=False)
    write_classification(tmp_path)
    detection, classification = cost_tables.efficiency(loading.load(tmp_path), "auc")
    headings = ["Parameters", "Size [MB]", "Training [s]", "Latency [ms]", "Windows/s", "RAM [MB]"]
    assert list(detection.texts.columns) == ["AUC", *headings]  # on a CPU there is no GPU memory to show
    assert list(classification.texts.columns) == ["Balanced accuracy", *headings]
    assert detection.texts.loc["conv_ae"].tolist()[1:] == ["2,000", "0.200", "1.50", "0.300", "100,000", "400"]
    assert "clip-level" not in detection.caption
