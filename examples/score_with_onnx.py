"""Judge recordings by a file of ``monitor.py export``, with onnxruntime and soundfile alone.

python examples/score_with_onnx.py pump3.onnx new/today.wav

The exit status is 0 if all are normal, 1 if one is abnormal, and 2 if one can't be judged or something else is wrong.
"""

import math
import sys

import onnxruntime
import soundfile

statuses = {"normal": 0, "abnormal": 1, "can't be judged": 2}
status = 0
try:
    session = onnxruntime.InferenceSession(sys.argv[1])
    settings = session.get_modelmeta().custom_metadata_map
    for path in sys.argv[2:]:
        samples, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)  # (n_samples, channels)
        if sample_rate != (known := int(settings["sample_rate"])):
            raise ValueError(f"{path}: {sample_rate} Hz, but the model knows recordings of {known} Hz")
        score, relative = session.run(["score", "relative"], {"samples": samples[:, int(settings["channel"])]})
        verdict = "can't be judged" if math.isnan(score) else "abnormal" if relative > 1 else "normal"
        print(f"{path}: score {score:.5g}, threshold {float(settings['threshold']):.5g}: {verdict}")
        status = max(status, statuses[verdict])
except Exception as error:  # without this the status would be that of an abnormal recording
    print(error, file=sys.stderr)
    status = 2
sys.exit(status)
