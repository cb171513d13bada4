"""The features of machines: extracted once, in parallel, and kept as a pickle a machine."""

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
from mimii.data.recordings import fingerprint
from mimii.features.extraction import CHUNK, Chunk, Extracted, Frames, Skipped, can_be_read_now, extract
from mimii.features.logmel import mel_filter_bank
from mimii.features.windows import Features
from mimii.settings import FeatureSettings
from mimii.storage import files
from mimii.storage.names import feature_file

log = logging.getLogger(__name__)

_NAMED = 5  # recordings that are named on the console for each reason to skip them


class FeatureStore:
    """Extracts and loads the features of machines.

    Parameters
    ----------
    directory : Path
        Where the pickles are.
    settings : FeatureSettings
    """

    def __init__(self, directory: Path, settings: FeatureSettings):
        self.directory = directory
        self.settings = settings

    def path(self, machine: pd.DataFrame) -> Path:
        """The pickle of a machine's recordings; its name changes with every recording and every setting."""
        facts = {"settings": asdict(self.settings), "recordings": fingerprint(machine)}
        return self.directory / feature_file(machine_name(machine[MACHINE].iloc[0]), facts)

    def load(self, machine: pd.DataFrame) -> Features:
        """Features of one machine's recordings, without the skipped ones.

        Raises
        ------
        FileNotFoundError
            They have not been extracted.
        mimii.storage.files.CacheError
            The file can't be used.
        """
        path = self.path(machine)
        content = files.load_pickle(path)
        try:
            reasons = {machine["path"].iloc[number]: reason for number, reason in content["skipped"].items()}
            features = Features(
                frames=content["frames"],
                offsets=content["offsets"],
                recordings=machine[~machine["path"].isin(reasons)].reset_index(drop=True),
                skipped=reasons,
                sample_rate=content["sample_rate"],
            )
            whole = len(features.offsets) == len(features.recordings) + 1
            whole &= features.frames.shape == (features.offsets[-1], self.settings.n_mels)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise files.CacheError(f"{path.name}: {error!r}") from error
        if not whole:
            raise files.CacheError(f"{path.name}: its lengths do not fit its recordings")
        return features

    def extract(
        self, machines: Sequence[pd.DataFrame], jobs: int, scheduler: str | None = None, device: str = "cpu"
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
        """
        from tqdm import tqdm

        skipped: dict[str, str] = {}
        missing = []
        for machine in machines:
            try:
                reasons = self.load(machine).skipped
                # what could not be read may only have been out of reach
                if any(can_be_read_now(path, reason, self.settings.channel) for path, reason in reasons.items()):
                    missing.append(machine)
                else:
                    skipped |= reasons
            except FileNotFoundError:
                missing.append(machine)
            except files.CacheError as error:
                log.warning("The feature file %s: it is made again.", error)
                missing.append(machine)

        chunks = [
            Chunk(number, start, machine["path"].iloc[start : start + CHUNK].tolist(), self.settings)
            for number, machine in enumerate(missing)
            for start in range(0, len(machine), CHUNK)
        ]
        outstanding = Counter(chunk.machine for chunk in chunks)
        results: dict[int, dict[int, Extracted]] = {number: {} for number in outstanding}
        if missing:
            files.check_writable(self.directory, f"the features of {len(missing)} machine(s), which it lacks")
            count = sum(map(len, missing))
            log.info("Extracting log-mel features: %d recordings, %d machine(s).", count, len(missing))
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
                        machine, of_machine = missing[chunk.machine], results.pop(chunk.machine)
                        if len(of_machine) == len(machine):
                            if saving:  # one machine at a time: more would pile up where the disk is slow
                                skipped |= saving.result()
                            saving = writer.submit(self._save, machine, of_machine)
                        else:
                            name = machine_name(machine[MACHINE].iloc[0])
                            log.error("%s: two processes died while its features were extracted.", name)
                if saving:
                    skipped |= saving.result()
        log_skipped(skipped)

    def _save(self, machine: pd.DataFrame, results: dict[int, Extracted]) -> dict[str, str]:
        """Write a machine's pickle; returns the paths and reasons of the skipped recordings."""
        rates = Counter(result.sample_rate for result in results.values() if isinstance(result, Frames))
        sample_rate = rates.most_common(1)[0][0] if rates else 0
        frames: list[np.ndarray] = []
        skipped: dict[int, str] = {}
        for number, found in enumerate(machine[["path", "size", "mtime", "digest"]].itertuples(index=False)):
            result = results[number]
            if isinstance(result, Skipped):
                skipped[number] = result.reason
            elif _has_changed(*found):
                skipped[number] = "it changed while this command ran"
            elif result.sample_rate != sample_rate:
                skipped[number] = f"{result.sample_rate} Hz, where most recordings of the machine have {sample_rate} Hz"
            else:
                frames.append(result.frames)
        if sample_rate:
            bank = mel_filter_bank(sample_rate, self.settings.n_fft, self.settings.n_mels)
            if empty := int((bank.max(axis=1) == 0).sum()):
                log.warning(
                    "%d of %d mel bands hold no FFT bin at %d Hz and are constant: raise --n_fft or lower --n_mels.",
                    empty,
                    self.settings.n_mels,
                    sample_rate,
                )
        content = {
            "frames": np.concatenate([np.empty((0, self.settings.n_mels), dtype=np.float32), *frames]),
            "offsets": np.cumsum([0, *map(len, frames)], dtype=np.int64),
            "sample_rate": sample_rate,
            "skipped": skipped,
        }
        files.save_pickle(self.path(machine), content)
        return {machine["path"].iloc[number]: reason for number, reason in skipped.items()}


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
