"""Write a synthetic demo data set in MIMII's layout, to try the framework without downloading MIMII.

    python src/make_demo_dataset.py --output_dir ./dataset/demo

The recordings are calculated (see mimii/data/synthesis.py), so results on them say nothing about real machines.
"""

import io
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from mimii.commands import options as cli
from mimii.errors import UserError

MACHINE_TYPES = ("fan", "pump", "slider", "valve")
MACHINE_IDS = ("id_00", "id_02")
SNRS = {"6dB": 6.0, "0dB": 0.0, "min6dB": -6.0}  # MIMII's names of its SNR, in dB

README_NAME = "README.txt"
README_TITLE = "SYNTHETIC demo data set made by make_demo_dataset.py"
SYNTHESIS_VERSION = 1  # to be raised with every change of the sound, so that old data are not taken for new


def build_parser():
    """Return the parser of the command line."""
    parser = cli.Parser(
        description="Write a SYNTHETIC data set in MIMII's layout (4 machine types x 2 IDs, 16 kHz, 10 s, "
        "16-bit), for trying the framework: its sounds are calculated, none is recorded. What is "
        "already there of the same data set is not made again.",
    )
    add = parser.add_argument
    add(
        "--output_dir",
        type=Path,
        default=Path("./dataset/demo"),
        metavar="DIR",
        help="folder that receives the data set",
    )
    add("--seed", type=cli.seed_int, default=42, help="same seed, same recordings")
    add(
        "--snr",
        nargs="+",
        choices=SNRS,
        metavar="SNR",
        help=f"level of the machine over the factory noise, of {', '.join(SNRS)} (default: 6dB); the sounds are "
        "the same at each",
    )
    add(
        "--machine_type",
        nargs="+",
        choices=MACHINE_TYPES,
        metavar="TYPE",
        help=f"only these, of {', '.join(MACHINE_TYPES)}",
    )
    add(
        "--layout",
        choices=cli.LAYOUTS,
        default="mimii",
        help="MIMII's, or that of a DCASE challenge: with the split in the folders, and from 2021 on with domains",
    )
    add("--normal", type=cli.natural, default=32, help="normal recordings per machine")
    add("--abnormal", type=cli.natural, default=12, help="abnormal recordings per machine")
    add(
        "--channels",
        type=int,
        choices=(1, 8),
        default=1,
        help="8 is MIMII's microphone array; its channel 0 is the one channel of 1",
    )
    add("--jobs", type=cli.positive_int, help="processes (default: the cores)")
    return parser


def readme_text(options):
    """Return the README of a data set made with `options` (a dict that JSON can hold)."""
    return f"""{README_TITLE}

These recordings are calculated, not recorded: no machine and no factory was in front of a microphone. They
have the layout of MIMII (https://zenodo.org/records/3384388) so that the framework can be tried without
downloading it. Scores on them say nothing about real machines and must not be reported as results on MIMII.

What each sound and each fault consists of is described in src/mimii/data/synthesis.py.
Made with these options:
{json.dumps(options, sort_keys=True)}
"""


def recorded_options(readme):
    """Return the options in the README that this script wrote at `readme`, or None if it is not one."""
    try:
        lines = readme.read_text(encoding="utf-8").splitlines()
        options = json.loads(lines[-1]) if lines[:1] == [README_TITLE] else None
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    return options if isinstance(options, dict) else None


def claim_folder(output_dir, options):
    """Make `output_dir` and mark it as this data set's by its README.

    An SNR can be added to a data set whose other options are the same; anything else that lies in the folder
    stays as it is.

    Parameters
    ----------
    output_dir : pathlib.Path
        Folder of the data set.
    options : dict
        What decides the data; see `main`.

    Raises
    ------
    UserError
        The folder holds something else, or can't be made or written.
    """
    from mimii.storage.files import whole_file

    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {output_dir}: {error.strerror}; choose another --output_dir") from error
    readme = output_dir / README_NAME
    known = recorded_options(readme)
    if known is None:
        if any(not path.name.startswith(".") for path in output_dir.iterdir()):
            raise UserError(f"{output_dir} holds files that this script did not make; choose another --output_dir")
    elif {**known, "snr": options["snr"]} != options:
        changed = sorted(key for key in options if key != "snr" and known.get(key) != options[key])
        raise UserError(
            f"{output_dir} holds a demo data set made with another {', '.join(changed)}; "
            "delete it or choose another --output_dir"
        )
    else:
        made = known.get("snr", [])
        options = {**options, "snr": [snr for snr in SNRS if snr in made or snr in options["snr"]]}
    if options != known:
        with whole_file(readme) as temporary:
            temporary.write_text(readme_text(options), encoding="utf-8")


def recording_path(recording, snr):
    """Return the path of a `Recording` at an SNR.

    The DCASE layouts have the split in the folders; it is the one that MIMII's rule gives. Of two recordings for
    evaluation one is said to be of the target domain.
    """
    machine_type, machine_id, label, index = recording.name
    folder = recording.output_dir
    if recording.layout == "mimii":
        return folder / snr / machine_type / machine_id / label / f"{index:08d}.wav"
    split = "test" if label == "abnormal" or index < recording.abnormal else "train"
    label = {"normal": "normal", "abnormal": "anomaly"}[label]
    if recording.layout == "dcase2020":
        return folder / machine_type / split / f"{label}_{machine_id}_{index:08d}.wav"
    section = machine_id.replace("id", "section")
    domain = "target" if split == "test" and index % 2 else "source"
    return folder / machine_type / split / f"{section}_{domain}_{split}_{label}_{index:04d}_synthetic.wav"


@dataclass(frozen=True)
class Recording:
    """A recording to write.

    Attributes
    ----------
    output_dir : pathlib.Path
        Folder of the data set.
    snrs : tuple of str
        Names of the SNR to write; the machine and the noise are the same in each.
    name : tuple of (str, str, str, int)
        Machine type, machine ID, label and index.
    seed : int
        Seed of the data set.
    channels : int
        1 or 8.
    layout : str
        One of `mimii.commands.options.LAYOUTS`.
    abnormal : int
        Abnormal recordings of its machine, which decide the split.
    """

    output_dir: Path
    snrs: tuple[str, ...]
    name: tuple[str, str, str, int]
    seed: int
    channels: int
    layout: str
    abnormal: int


def write_recording(recording):
    """Synthesise a `Recording` and write it at each SNR; raise UserError if a file cannot be written."""
    import soundfile

    from mimii.data.synthesis import SAMPLE_RATE, mix, recording_parts
    from mimii.storage.files import whole_file

    machine, noise = recording_parts(*recording.name, recording.seed, recording.channels)
    for snr in recording.snrs:
        # Through memory: an error of the disk must come as an OSError, not as libsndfile reports it.
        wav = io.BytesIO()
        soundfile.write(wav, mix(machine, noise, SNRS[snr]), SAMPLE_RATE, "PCM_16", format="WAV")
        with whole_file(recording_path(recording, snr)) as temporary:
            temporary.write_bytes(wav.getvalue())


def run(args):
    """Make what is missing of the data set and return the exit status."""
    from joblib import cpu_count
    from tqdm import tqdm

    from mimii.runtime.processes import in_parallel

    snrs = tuple(snr for snr in SNRS if snr in (args.snr or ["6dB"]))
    machine_types = [name for name in MACHINE_TYPES if name in (args.machine_type or MACHINE_TYPES)]
    labels = {"normal": args.normal, "abnormal": args.abnormal}
    options = {
        "synthesis_version": SYNTHESIS_VERSION,
        "seed": args.seed,
        "snr": list(snrs),
        "machine_type": machine_types,
        "channels": args.channels,
        "layout": args.layout,
        **labels,
    }
    recordings = [
        Recording(
            args.output_dir,
            snrs,
            (machine_type, machine_id, label, index),
            args.seed,
            args.channels,
            args.layout,
            args.abnormal,
        )
        for machine_type in machine_types
        for machine_id in MACHINE_IDS
        for label, number in labels.items()
        for index in range(number)
    ]
    paths = {(recording, snr): recording_path(recording, snr) for recording in recordings for snr in snrs}
    claim_folder(args.output_dir, options)
    absent = {key for key, path in paths.items() if not path.is_file()}
    missing = [
        replace(recording, snrs=absent_snrs)
        for recording in recordings
        if (absent_snrs := tuple(snr for snr in snrs if (recording, snr) in absent))
    ]
    done = in_parallel(write_recording, missing, args.jobs or cpu_count())
    for _ in tqdm(done, total=len(missing), unit="recording", disable=None if missing else True):
        pass
    size = sum(path.stat().st_size for path in paths.values())
    outcome = f"wrote {len(absent)} of" if absent else "already there, nothing written:"
    print(
        f"Synthetic demo data set in {args.output_dir}: {outcome} {len(paths)} recordings "
        f"({len(machine_types) * len(MACHINE_IDS)} machines x {args.normal} normal + {args.abnormal} "
        f"abnormal, SNR {', '.join(snrs)}, channels {args.channels}, seed {args.seed}), {size / 1e6:.1f} MB"
    )
    return 0


def main(argv=None):
    """Run the command line `argv` and return the exit status."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.normal + args.abnormal == 0:
        parser.error("--normal and --abnormal are both 0: there is nothing to make")
    if args.layout != "mimii" and len(args.snr or []) > 1:
        parser.error(f"--layout {args.layout} has no place for several SNR: make a data set for each")
    return cli.guarded(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
