"""Branches of networks over samples: of the spectrum of a whole clip, and of its spectrogram."""

import torch
from torch import nn

WIDTH = 128  # of both branches: values of an embedding

# filters of the convolutions over a spectrum: kernel and stride [bins]
_SPECTRUM_FILTERS = ((256, 64), (64, 32), (16, 4))
_STAGES = (16, 32, 64, 128)  # channels of the stages over a spectrogram
_SQUEEZED = 16  # of so many channels, squeeze-excitation makes one


class SqueezeExcitation(nn.Module):
    """Weighs the channels by what all of them are in the mean over a recording (Hu et al., 2018): (B, C, ...)."""

    def __init__(self, channels: int):
        super().__init__()
        self.weights = nn.Sequential(
            nn.Linear(channels, channels // _SQUEEZED, bias=False),
            nn.ReLU(),
            nn.Linear(channels // _SQUEEZED, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Give the same shape."""
        weights = self.weights(x.flatten(2).mean(dim=2))  # (B, C, ...) -> (B, C)
        return x * weights.view(*weights.shape, *[1] * (x.ndim - 2))


class SpectrumBranch(nn.Module):
    """Convolutions over the magnitudes of the FFT of a whole clip: (B, samples) -> (B, 128).

    A line of the spectrum is as sharp as the clip is long: this branch sees what is steady. The convolutions are padded
    by half of what a kernel is wider than its stride, so that they leave one value of each stride.

    Parameters
    ----------
    samples : int >= `SpectrumBranch.min_samples`
        In a clip.

    Attributes
    ----------
    min_samples : int
        Of fewer the convolutions would leave nothing.
    """

    min_samples = 2 * 64 * 32 * 4

    def __init__(self, samples: int):
        super().__init__()
        layers: list[nn.Module] = []
        channels, values = 1, samples // 2
        for kernel, stride in _SPECTRUM_FILTERS:
            padding = (kernel - stride) // 2
            layers += [nn.Conv1d(channels, WIDTH, kernel, stride, padding, bias=False), nn.ReLU()]
            layers += [SqueezeExcitation(WIDTH)]
            channels, values = WIDTH, values // stride
        layers.append(nn.Flatten())
        inputs = WIDTH * values
        for _ in range(4):
            layers += [nn.Linear(inputs, WIDTH, bias=False), nn.BatchNorm1d(WIDTH), nn.ReLU()]
            inputs = WIDTH
        self.layers = nn.Sequential(*layers, nn.Linear(WIDTH, WIDTH, bias=False))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Embed clips."""
        return self.layers(self.spectrum(samples).unsqueeze(1))  # (B, 1, samples // 2) -> (B, 128)

    @staticmethod
    def spectrum(samples: torch.Tensor) -> torch.Tensor:
        """Magnitudes of the first half of the FFT: (B, samples) -> (B, samples // 2)."""
        return torch.fft.rfft(samples).abs()[:, : samples.shape[1] // 2]


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with squeeze-excitation beside a shortcut, normalised beforehand (He et al., 2016).

    Where the channels become more, both axes are halved: by the first convolution, and by the maximum in the shortcut.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.normalise = nn.BatchNorm2d(inputs)
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            SqueezeExcitation(outputs),
        )
        self.shortcut = (
            nn.Identity()
            if inputs == outputs
            else nn.Sequential(nn.MaxPool2d(2, ceil_mode=True), nn.Conv2d(inputs, outputs, 1, bias=False))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inputs, f, t) -> (B, outputs, f', t')."""
        x = self.normalise(x)
        return self.shortcut(x) + self.body(x)


class SpectrogramBranch(nn.Module):
    """A residual network over the linear magnitudes of a spectrogram: (B, samples) -> (B, 128).

    The mean over time is subtracted from each frequency: this branch sees what changes.

    Parameters
    ----------
    n_fft : int > 0
        Length of a frame [samples]; the step is half of it.
    """

    window: torch.Tensor

    def __init__(self, n_fft: int):
        super().__init__()
        self.n_fft = n_fft
        bins = n_fft // 2 + 1
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        self.normalise = nn.BatchNorm1d(bins)
        self.first = nn.Sequential(
            nn.Conv2d(1, _STAGES[0], 7, 2, padding=3, bias=False),
            nn.BatchNorm2d(_STAGES[0]),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2),
        )
        bins = ((bins + 1) // 2 - 3) // 2 + 1
        blocks: list[nn.Module] = []
        inputs = _STAGES[0]
        for outputs in _STAGES:
            blocks += [ResidualBlock(inputs, outputs), ResidualBlock(outputs, outputs)]
            bins = bins if inputs == outputs else (bins + 1) // 2
            inputs = outputs
        self.stages = nn.Sequential(*blocks)
        self.last = nn.Sequential(
            nn.Flatten(), nn.BatchNorm1d(inputs * bins), nn.Linear(inputs * bins, WIDTH, bias=False)
        )

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Embed clips."""
        x = self.normalise(self.spectrogram(samples)).unsqueeze(3)  # (B, bins, frames, 1)
        # the channels of a value are neighbours in memory, here and in all that follows: a step takes a fifth less on a
        # CPU, a third less on a GPU
        x = self.stages(self.first(x.movedim(3, 1)))  # -> (B, 1, bins, frames) -> (B, 128, bins', frames')
        return self.last(x.amax(dim=3))  # -> (B, 128, bins') -> (B, 128)

    def spectrogram(self, samples: torch.Tensor) -> torch.Tensor:
        """Magnitudes without their mean over time: (B, samples) -> (B, n_fft // 2 + 1, frames)."""
        spectra = torch.stft(
            samples, self.n_fft, self.n_fft // 2, window=self.window, center=False, return_complex=True
        )
        magnitudes = spectra.abs()
        return magnitudes - magnitudes.mean(dim=2, keepdim=True)
