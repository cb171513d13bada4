"""The features of machines: extracted once, in parallel, and kept as pickles."""

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from mimii.data.content import content
from mimii.data.machines import MACHINE, machine_name
from mimii.features.extraction import CHUNK, Chunk, Extracted, extract
from mimii.features.logmel import mel_filter_bank
from mimii.features.pickles import Kind
from mimii.features.windows import Features, Samples
from mimii.settings import FeatureSettings
from mimii.storage import files

log = logging.getLogger(__name__)

_NAMED = 5  # recordings that are named on the console for each reason to skip them


class FeatureStore:
    """Extracts and loads the features of machines: log-mel frames and, for models that need them, samples.

    Parameters
    ----------
    directory : Path
        Where the pickles are: of each machine one of frames and one of samples.
    settings : FeatureSettings
    """

    def __init__(self, directory: Path, settings: FeatureSettings):
        self.directory = directory
        self.settings = settings
        no_frames = np.empty((0, settings.n_mels), dtype=np.float32)
        self._frames = Kind("frames", directory, {"settings": asdict(settings)}, no_frames)
        # samples are the same whatever frames are made of them
        self._samples = Kind(
            "samples",
            directory,
            {"channel": settings.channel},
            np.empty(0, dtype=np.int16),
            in_file_name="samples",
            is_of_one_rate=False,
        )

    def path(self, machine: pd.DataFrame) -> Path:
        """The pickle of the frames of a machine; its name changes with every recording and every setting."""
        return self._frames.path(machine)

    def load(self, machine: pd.DataFrame, with_samples: bool = False) -> Features:
        """Features of one machine's recordings, without the skipped ones.

        Parameters
        ----------
        machine : pd.DataFrame
        with_samples : bool
            With the samples of the same recordings; what lacks one of both is skipped.

        Raises
        ------
        FileNotFoundError
            They have not been extracted.
        mimii.storage.files.CacheError
            The file can't be used.
        """
        frames = self._frames.load(machine)
        skipped, samples = frames.skipped, None
        if with_samples:
            read = self._samples.load(machine)
            skipped = read.skipped | skipped
            frames, read = frames.without(skipped), read.without(skipped)
            samples = Samples(read.values, read.offsets)
        return Features(
            frames=frames.values,
            offsets=frames.offsets,
            recordings=machine[~machine["path"].isin(skipped)].reset_index(drop=True),
            skipped={path: skipped[path] for path in machine["path"] if path in skipped},
            sample_rate=frames.sample_rate,
            samples=samples,
        )

    def extract(
        self,
        machines: Sequence[pd.DataFrame],
        jobs: int,
        scheduler: str | None = None,
        device: str = "cpu",
        with_samples: Sequence[pd.DataFrame] = (),
    ) -> None:
        """Make the pickles that are missing, and say which recordings are skipped.

        Parameters
        ----------
        machines : sequence of pd.DataFrame
            The recordings of each machine.
        jobs : int > 0
            Processes.
        scheduler : str, optional
            Of a Dask cluster that extracts instead; see `mimii.runtime.processes.in_parallel`.
        device : str
            A GPU that may compute the frames; see `mimii.features.extraction.extract`.
        with_samples : sequence of pd.DataFrame
            Those of the machines whose samples are needed as well.
        """
        missing, skipped = self._missing(machines, with_samples)
        if missing:
            files.check_writable(self.directory, f"the features of {len(missing)} machine(s), which it lacks")
            for kind, name in ((self._frames, "log-mel features"), (self._samples, "samples")):
                if counts := [len(machine) for machine, kinds in missing if kind in kinds]:
                    log.info("Extracting %s: %d recordings, %d machine(s).", name, sum(counts), len(counts))
            skipped |= self._extract(missing, jobs, scheduler, device)
        log_skipped(skipped)

    def _missing(
        self, machines: Sequence[pd.DataFrame], with_samples: Sequence[pd.DataFrame]
    ) -> tuple[list[tuple[pd.DataFrame, list[Kind]]], dict[str, str]]:
        """The machines whose pickles must be made, with the kinds of these, and what all other pickles skip."""
        missing: list[tuple[pd.DataFrame, list[Kind]]] = []
        skipped: dict[str, str] = {}
        sampled = {self.path(machine) for machine in with_samples}
        for machine in machines:
            lacking = []
            for kind in [self._samples, self._frames] if self.path(machine) in sampled else [self._frames]:
                reasons = kind.skipped(machine, self.settings.channel)
                if reasons is None:
                    lacking.append(kind)
                else:
                    skipped |= reasons
            if lacking:
                missing.append((machine, lacking))
        return missing, skipped

    def _extract(
        self, missing: list[tuple[pd.DataFrame, list[Kind]]], jobs: int, scheduler: str | None, device: str
    ) -> dict[str, str]:
        """Make pickles; returns the paths and reasons of the recordings that they skip."""
        from tqdm import tqdm

        chunks = [
            Chunk(
                number,
                start,
                machine["path"].iloc[start : start + CHUNK].tolist(),
                self.settings,
                with_frames=self._frames in kinds,
                with_samples=self._samples in kinds,
            )
            for number, (machine, kinds) in enumerate(missing)
            for start in range(0, len(machine), CHUNK)
        ]
        outstanding = Counter(chunk.machine for chunk in chunks)
        results: dict[int, dict[int, Extracted]] = {number: {} for number in outstanding}
        skipped: dict[str, str] = {}
        count = sum(len(machine) for machine, _ in missing)
        with (
            tqdm(total=count, desc="features", unit="rec", disable=None, leave=False) as progress,
            ThreadPoolExecutor(1) as writer,  # workers need not wait for the disk
        ):
            saving: Future | None = None
            for chunk, extracted in extract(chunks, jobs, scheduler, device):
                results[chunk.machine] |= dict(enumerate(extracted, start=chunk.start))
                progress.update(len(extracted))
                outstanding[chunk.machine] -= 1
                if not outstanding[chunk.machine]:
                    (machine, kinds), of_machine = missing[chunk.machine], results.pop(chunk.machine)
                    if len(of_machine) == len(machine):
                        if saving:  # one machine at a time: more would pile up where the disk is slow
                            skipped |= saving.result()
                        saving = writer.submit(self._save, machine, kinds, of_machine)
                    else:
                        name = machine_name(machine[MACHINE].iloc[0])
                        log.error("%s: two processes died while its features were extracted.", name)
            if saving:
                skipped |= saving.result()
        return skipped

    def _save(self, machine: pd.DataFrame, kinds: list[Kind], results: dict[int, Extracted]) -> dict[str, str]:
        """Write a machine's pickles and empty its results; returns the paths and reasons of what they skip."""
        changed = {
            number
            for number, found in enumerate(machine[["path", "size", "mtime", "digest"]].itertuples(index=False))
            if results[number].sample_rate and _has_changed(*found)
        }
        rates = {number: result.sample_rate for number, result in results.items()}
        found_of = [{number: getattr(result, kind.name) for number, result in results.items()} for kind in kinds]
        results.clear()  # so that an array that is copied already does not stay
        skipped: dict[str, str] = {}
        for kind, found in zip(kinds, found_of, strict=True):
            reasons, sample_rate = kind.save(machine, found, rates, changed)
            skipped |= reasons
            if kind is self._frames and sample_rate:
                self._warn_of_empty_bands(sample_rate)
        return skipped

    def _warn_of_empty_bands(self, sample_rate: int) -> None:
        bank = mel_filter_bank(sample_rate, self.settings.n_fft, self.settings.n_mels)
        if empty := int((bank.max(axis=1) == 0).sum()):
            log.warning(
                "%d of %d mel bands hold no FFT bin at %d Hz and are constant: raise --n_fft or lower --n_mels.",
                empty,
                self.settings.n_mels,
                sample_rate,
            )


def _has_changed(path: str, size: int, mtime: int, digest: str) -> bool:
    """Tell whether a recording is not any more the file that was found: its features would go by a wrong name."""
    now = content(path)
    return (now.size, now.mtime) != (size, mtime) and now.digest != digest  # a touched file has not changed


def log_skipped(reasons: dict[str, str]) -> None:
    """Warn of the recordings that are skipped. Of many with the same reason the console names some, and the log all.

    Parameters
    ----------
    reasons : dict of str to str
        The path of each recording, and what is wrong with it.
    """
    for reason in dict.fromkeys(reasons.values()):
        paths = [path for path, given in reasons.items() if given == reason]
        more = f" and {len(paths) - _NAMED} more, which the log names" if len(paths) > _NAMED else ""
        log.warning("Skipped, %s: %s%s.", reason, ", ".join(paths[:_NAMED]), more)
        if more:
            log.debug("Skipped, %s: %s.", reason, ", ".join(paths[_NAMED:]))
