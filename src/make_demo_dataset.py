#!/usr/bin/env python3
"""Write a synthetic demo data set in MIMII's layout, to try the framework without downloading MIMII.

The recordings are calculated (see mimii/synthesis.py), so results on them say nothing about real machines.
"""

# numpy, scipy, soundfile, joblib and tqdm are imported where they are used: --help must not wait for them.
import argparse
import io
import json
import os
import sys
from pathlib import Path

MACHINE_TYPES = ("fan", "pump", "slider", "valve")
MACHINE_IDS = ("id_00", "id_02")
SNRS = {"6dB": 6.0, "0dB": 0.0, "min6dB": -6.0}  # MIMII's names of its SNR, in dB

README_NAME = "README.txt"
README_TITLE = "SYNTHETIC demo data set made by make_demo_dataset.py"
SYNTHESIS_VERSION = 1  # to be raised with every change of the sound, so that old data are not taken for new


class DemoDatasetError(Exception):
    """The data set cannot be written; the message tells the user why, in one line."""


class OneLineParser(argparse.ArgumentParser):
    """A parser that answers bad input with one line, without the usage."""

    def error(self, message):
        """Print `message` in one line and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def count(text):
    """Return the whole number `text`, from 0 to as many as 8 digits can number."""
    value = int(text) if text.isascii() and text.isdigit() else -1
    if not 0 <= value <= 10**8:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to 100000000")
    return value


def positive_count(text):
    """Return the whole number `text`, 1 or more."""
    value = count(text)
    if value == 0:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return value


def build_parser():
    """Return the parser of the command line."""
    parser = OneLineParser(
        prog="make_demo_dataset.py",
        description="Write a SYNTHETIC data set in MIMII's layout (4 machine types x 2 IDs, 16 kHz, 10 s, "
        "16-bit), for trying the framework: its sounds are calculated, none is recorded. What is "
        "already there of the same data set is not made again.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--output_dir",
        type=Path,
        default=Path("./dataset/demo"),
        metavar="DIR",
        help="folder that receives the data set (default: ./dataset/demo)",
    )
    add("--seed", type=count, default=42, help="same seed, same recordings (default: %(default)s)")
    add(
        "--snr",
        nargs="+",
        choices=SNRS,
        default=["6dB"],
        help="level of the machine over the factory noise; each has the same machine sounds (default: 6dB)",
    )
    add(
        "--machine_type",
        nargs="+",
        choices=MACHINE_TYPES,
        default=list(MACHINE_TYPES),
        help="machine types to make (default: all)",
    )
    add("--normal", type=count, default=32, help="normal recordings per machine (default: %(default)s)")
    add("--abnormal", type=count, default=12, help="abnormal recordings per machine (default: %(default)s)")
    add(
        "--channels",
        type=int,
        choices=(1, 8),
        default=1,
        help="8 is MIMII's microphone array; its channel 0 is the one channel of 1 (default: %(default)s)",
    )
    add("--jobs", type=positive_count, help="processes (default: one per core)")
    return parser


def readme_text(options):
    """Return the README of a data set made with `options` (a dict that JSON can hold)."""
    return f"""{README_TITLE}

These recordings are calculated, not recorded: no machine and no factory was in front of a microphone. They
have the layout of MIMII (https://zenodo.org/records/3384388) so that the framework can be tried without
downloading it. Scores on them say nothing about real machines and must not be reported as results on MIMII.

What each sound and each fault consists of is described in src/mimii/synthesis.py.
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
    DemoDatasetError
        If the folder holds something else.
    OSError
        If the folder cannot be made or written.
    """
    output_dir.mkdir(parents=True, exist_ok=True)
    readme = output_dir / README_NAME
    known = recorded_options(readme)
    if known is None:
        if any(not path.name.startswith(".") for path in output_dir.iterdir()):
            raise DemoDatasetError(
                f"{output_dir} holds files that this script did not make; choose another --output_dir"
            )
    elif {**known, "snr": options["snr"]} != options:
        changed = sorted(key for key in options if key != "snr" and known.get(key) != options[key])
        raise DemoDatasetError(
            f"{output_dir} holds a demo data set made with another {', '.join(changed)}; "
            "delete it or choose another --output_dir"
        )
    else:
        made = known.get("snr", [])
        options = {**options, "snr": [snr for snr in SNRS if snr in made or snr in options["snr"]]}
    if options != known:
        write_whole(readme, readme_text(options).encode())


def write_whole(path, data):
    """Write the bytes `data` to the file `path` whole or not at all; raise OSError if that fails."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def recording_path(output_dir, snr, machine_type, machine_id, label, index):
    """Return the path of a recording in MIMII's layout."""
    return output_dir / snr / machine_type / machine_id / label / f"{index:08d}.wav"


def write_recording(output_dir, snrs, name, seed, channels):
    """Synthesise one recording and write it at each SNR.

    Parameters
    ----------
    output_dir : pathlib.Path
        Folder of the data set.
    snrs : list of str
        Names of the SNR to write; the machine and the noise are the same in each.
    name : tuple of (str, str, str, int)
        Machine type, machine ID, label and index.
    seed : int
        Seed of the data set.
    channels : int
        1 or 8.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    import soundfile

    from mimii.synthesis import SAMPLE_RATE, mix, recording_parts

    machine, noise = recording_parts(*name, seed, channels)
    for snr in snrs:
        # Through memory: an error of the disk must come as an OSError, not as libsndfile reports it.
        wav = io.BytesIO()
        soundfile.write(wav, mix(machine, noise, SNRS[snr]), SAMPLE_RATE, "PCM_16", format="WAV")
        path = recording_path(output_dir, snr, *name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, wav.getvalue())


def write_missing(output_dir, missing, seed, channels, jobs):
    """Write the recordings of `missing` (name to SNRs) in `jobs` processes (None: one per core)."""
    from joblib import Parallel, cpu_count, delayed
    from tqdm import tqdm

    write = delayed(write_recording)
    tasks = (write(output_dir, snrs, name, seed, channels) for name, snrs in missing.items())
    n_jobs = min(jobs or cpu_count(), len(missing))
    done = Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks)
    for _ in tqdm(done, total=len(missing), unit="recording", disable=not sys.stderr.isatty()):
        pass


def main(argv=None):
    """Run the command line `argv` and return the exit status."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.normal + args.abnormal == 0:
        parser.error("--normal and --abnormal are both 0: there is nothing to make")
    snrs = [snr for snr in SNRS if snr in args.snr]
    machine_types = [name for name in MACHINE_TYPES if name in args.machine_type]
    labels = {"normal": args.normal, "abnormal": args.abnormal}
    options = {
        "synthesis_version": SYNTHESIS_VERSION,
        "seed": args.seed,
        "snr": snrs,
        "machine_type": machine_types,
        "channels": args.channels,
        **labels,
    }
    names = [
        (machine_type, machine_id, label, index)
        for machine_type in machine_types
        for machine_id in MACHINE_IDS
        for label, number in labels.items()
        for index in range(number)
    ]
    paths = {(snr, name): recording_path(args.output_dir, snr, *name) for snr in snrs for name in names}
    try:
        claim_folder(args.output_dir, options)
        absent = {key for key, path in paths.items() if not path.is_file()}
        missing = {name: [snr for snr in snrs if (snr, name) in absent] for name in names}
        missing = {name: absent_snrs for name, absent_snrs in missing.items() if absent_snrs}
        if missing:
            write_missing(args.output_dir, missing, args.seed, args.channels, args.jobs)
        size = sum(path.stat().st_size for path in paths.values())
    except (DemoDatasetError, OSError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    done = f"wrote {len(absent)} of" if absent else "already there, nothing written:"
    print(
        f"Synthetic demo data set in {args.output_dir}: {done} {len(paths)} recordings "
        f"({len(machine_types) * len(MACHINE_IDS)} machines x {args.normal} normal + {args.abnormal} "
        f"abnormal, SNR {', '.join(snrs)}, channels {args.channels}, seed {args.seed}), {size / 1e6:.1f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
