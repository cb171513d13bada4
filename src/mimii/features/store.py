"""The features of machines: extracted once, in parallel, and kept as a pickle a machine."""

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from mimii.data.recordings import MACHINE, fingerprint, machine_name
from mimii.features.extraction import CHUNK, Chunk, Extracted, can_be_read_now, extract
from mimii.features.logmel import mel_filter_bank
from mimii.features.windows import Features
from mimii.settings import FeatureSettings
from mimii.storage import files

log = logging.getLogger(__name__)

FORMAT = 2  # raise it when log_mel or the content of a feature file changes
_NAMED = 5  # recordings that are named on the console for each reason to leave them out


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
        facts = {"format": FORMAT, "settings": asdict(self.settings), "recordings": fingerprint(machine)}
        name = files.file_name(machine_name(machine[MACHINE].iloc[0]))
        return self.directory / f"{name}_{files.digest(facts)}.pickle"

    def load(self, machine: pd.DataFrame) -> Features:
        """Features of one machine's recordings, less those that could not be used.

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
            reasons = {machine["path"].iloc[number]: reason for number, reason in content["left_out"].items()}
            features = Features(
                frames=content["frames"],
                offsets=content["offsets"],
                recordings=machine[~machine["path"].isin(reasons)].reset_index(drop=True),
                left_out=reasons,
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
        """Make the pickles that are missing, and say which recordings could not be used.

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

        left_out: dict[str, str] = {}
        missing = []
        for machine in machines:
            try:
                reasons = self.load(machine).left_out
                # what could not be read may only have been out of reach
                if any(can_be_read_now(path, reason, self.settings.channel) for path, reason in reasons.items()):
                    missing.append(machine)
                else:
                    left_out |= reasons
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
            count = sum(map(len, missing))
            log.info("Extracting log-mel features: %d recordings, %d machine(s).", count, len(missing))
            with (
                tqdm(total=count, desc="features", unit="rec", disable=None, leave=False) as progress,
                ThreadPoolExecutor(1) as writer,  # workers need not wait for the disk
            ):
                saving: Future | None = None
                for chunk, extracted in extract(chunks, jobs, scheduler, device):
                    results[chunk.machine] |= {chunk.start + place: result for place, result in enumerate(extracted)}
                    progress.update(len(extracted))
                    outstanding[chunk.machine] -= 1
                    if not outstanding[chunk.machine]:
                        machine, extracted = missing[chunk.machine], results.pop(chunk.machine)
                        if len(extracted) == len(machine):
                            if saving:  # one machine at a time: more would pile up where the disk is slow
                                left_out |= saving.result()
                            saving = writer.submit(self._save, machine, extracted)
                        else:
                            name = machine_name(machine[MACHINE].iloc[0])
                            log.error("%s: two processes died while its features were extracted.", name)
                if saving:
                    left_out |= saving.result()
        log_left_out(left_out)

    def _save(self, machine: pd.DataFrame, results: dict[int, Extracted]) -> dict[str, str]:
        """Write a machine's pickle; returns the paths and reasons of what is left out of it."""
        rates = Counter(rate for frames, rate in results.values() if frames is not None)
        sample_rate = rates.most_common(1)[0][0] if rates else 0
        frames, left_out = [], {}
        for number, found in enumerate(zip(machine["path"], machine["size"], machine["mtime"], strict=True)):
            recording, fact = results[number]
            if recording is None:
                left_out[number] = fact
            elif _has_changed(*found):
                left_out[number] = "it changed while this command ran"
            elif fact != sample_rate:
                left_out[number] = f"{fact} Hz, where most recordings of the machine have {sample_rate} Hz"
            else:
                frames.append(recording)
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
            "left_out": left_out,
        }
        files.save_pickle(self.path(machine), content)
        return {machine["path"].iloc[number]: reason for number, reason in left_out.items()}


def _has_changed(path: str, size: int, mtime: int) -> bool:
    """Tell whether a recording is not any more the file that was found: its features would go by a wrong name."""
    try:
        status = Path(path).stat()
    except OSError:
        return True
    return (status.st_size, status.st_mtime_ns) != (size, mtime)


def log_left_out(reasons: dict[str, str]) -> None:
    """Warn of the recordings that are left out: in full, but of many with the same reason some on the console.

    Parameters
    ----------
    reasons : dict of str to str
        The path of each recording, and what is wrong with it.
    """
    for reason in dict.fromkeys(reasons.values()):
        paths = [path for path, own in reasons.items() if own == reason]
        more = f" and {len(paths) - _NAMED} more, which the log names" if len(paths) > _NAMED else ""
        log.warning("Left out, %s: %s%s.", reason, ", ".join(paths[:_NAMED]), more)
        if more:
            log.debug("Left out, %s: %s.", reason, ", ".join(paths[_NAMED:]))
