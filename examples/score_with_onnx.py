"""Judge recordings by a file of ``monitor.py export``, with onnxruntime and soundfile alone.

python examples/score_with_onnx.py pump3.onnx new/today.wav
"""

import math
import sys

import onnxruntime
import soundfile

session = onnxruntime.InferenceSession(sys.argv[1])
settings = session.get_modelmeta().custom_metadata_map
for path in sys.argv[2:]:
    samples, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)  # (n_samples, channels)
    if sample_rate != int(settings["sample_rate"]):
        sys.exit(f"{path}: {sample_rate} Hz, but the model knows recordings of {settings['sample_rate']} Hz")
    score, relative = session.run(["score", "relative"], {"samples": samples[:, int(settings["channel"])]})
    verdict = "can't be judged" if math.isnan(score) else "abnormal" if relative > 1 else "normal"
    print(f"{path}: score {score:.5g}, threshold {float(settings['threshold']):.5g}: {verdict}")
