"""Settings all tests share."""

import signal

import pytest
from hypothesis import settings

# A machine that is busy elsewhere must not fail a test: speed is measured by `restora bench`.
settings.register_profile("restora", deadline=None, max_examples=40, print_blob=True)
settings.load_profile("restora")


@pytest.fixture
def interruptible():
    """Interrupts as in a terminal; a shell's background work is started with them ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def small_dagn():
    """A small gray DAGN whose every part does something."""
    import torch

    from restora.networks.dagn import DAGN, DAGNConfig

    config = DAGNConfig(
        channels=1, widths=(8, 12, 16), blocks=(1, 1, 1), sensitive_blocks=1, insensitive_blocks=1,
        encoder_block="basic", encoder_width=4, encoder_blocks=(1, 1, 1, 1), mlp=8, key=6,
        norm=False, unshuffle=2, residual=True, gate_scale=2.0,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = DAGN(config).eval()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if not name.startswith("to_"):
                value.add_(0.05 * torch.randn(value.shape, generator=generator))
        network.sensitive_guidance.mlp[0].weight.mul_(4)
        network.sensitive_guidance.mlp[-2].bias.add_(0.5)  # eight ReLUs may all be silent
        # What the network adds to a picture stays small, as it does in one that has learned.
        network.tail.weight.mul_(0.01)
    return network


@pytest.fixture(scope="session")
def dagn_card(small_dagn, tmp_path_factory):
    """The path of its card, with the three files beside it."""
    from restora.networks.weight_files import Loaded
    from restora.training.export import export_loaded

    folder = tmp_path_factory.mktemp("dagn")
    loaded = Loaded(small_dagn.config, small_dagn.state_dict(), "safetensors")
    export_loaded(loaded, folder, name="small", title="a test", overlap_px=128, source="code")
    return str(folder / "small.json")
