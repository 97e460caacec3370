"""Files of weights made to do harm, and what becomes of them; for make_weights.py and the tests.

    python docs/hostile_weights.py KIND FOLDER FIRST COUNT

damages the sound file of a kind ``COUNT`` times, uses each, and prints a line of JSON for each.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["KINDS", "TRAPS", "damage", "judge", "make_sound", "trap"]

# What a file is called, by its kind; "onnx" are cards whose checksums are those of the damage.
KINDS = ("card", "onnx", "unchecked onnx", "safetensors", "pth", "checkpoint")
STRUCTURE = 4000  # bytes at the start of a file, where what it says of itself mostly is
LONGEST_MESSAGE = 600
MEMORY_BYTES = 16 << 30  # of address space: a file that asks for more is not a network of ours


class Trap:
    """Pickles as a call of whatever it is given."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.made = (call, arguments)

    def __reduce__(self) -> Any:
        return self.made


def _make(path: str) -> Trap:
    import os  # noqa: PLC0415 - only its name goes into the file

    return Trap(os.mkdir, path)


def _evaluate(path: str) -> Trap:
    return Trap(eval, f"open({path!r}, 'w').close()")


def _shell(path: str) -> Trap:
    import os  # noqa: PLC0415

    return Trap(os.system, f"touch '{path}'")


def _import(path: str) -> Trap:
    return Trap(exec, f"import pathlib; pathlib.Path({path!r}).touch()")


TRAPS: dict[str, Callable[[str], Trap]] = {
    "os.mkdir": _make,
    "eval": _evaluate,
    "os.system": _shell,
    "exec": _import,
}


def trap(name: str, mark: Path, *, form: str = "zip") -> bytes:
    """A file whose careless reader makes another file.

    Args:
        name: One of :data:`TRAPS`.
        mark: The file it would make.
        form: ``"zip"`` and ``"legacy"`` as PyTorch saves, ``"plain"`` as Python pickles.
    """
    import io  # noqa: PLC0415

    import torch  # noqa: PLC0415

    content = {"m_head.weight": torch.zeros(4, 3, 3, 3), "more": TRAPS[name](str(mark))}
    if form == "plain":
        return pickle.dumps(content["more"])
    out = io.BytesIO()
    torch.save(content, out, _use_new_zipfile_serialization=form == "zip")
    return out.getvalue()


def make_sound(folder: Path) -> None:
    """One sound file of each kind, of a network small enough to be quick, and a picture."""
    import torch  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    from restora.networks.fbcnn import FBCNN, FBCNNConfig  # noqa: PLC0415
    from restora.networks.released import to_released  # noqa: PLC0415
    from restora.networks.weight_files import Loaded, write_safetensors  # noqa: PLC0415
    from restora.training.checkpoint import Checkpoint, save_checkpoint  # noqa: PLC0415
    from restora.training.export import export_loaded  # noqa: PLC0415
    from restora.training.recipe import parse_recipe  # noqa: PLC0415

    config = FBCNNConfig(
        channels=3, widths=(4, 4, 8, 8), blocks=(1, 1, 1, 1), predictor_blocks=1, mlp=8
    )
    torch.manual_seed(0)
    weights = FBCNN(config).eval().state_dict()
    folder.mkdir(parents=True, exist_ok=True)
    export_loaded(
        Loaded(config, weights, "safetensors"),
        folder,
        name="sound",
        title="a test",
        overlap_px=16,
        source="code",
    )
    write_safetensors(folder / "sound.safetensors", config, weights)
    torch.save(to_released(weights, config), folder / "sound.pth")
    recipe = parse_recipe({"name": "sound", "network": config.model_dump()}, name="sound")
    found = Checkpoint(recipe, 1, 1.0, (), weights, weights, {"state": {}, "param_groups": []})
    save_checkpoint(found, folder / "sound.pt")
    Image.effect_noise((40, 30), 60).convert("RGB").save(folder / "photo.jpg", quality=20)


def damage(_name: str, data: bytes, seed: int) -> bytes:
    """The same file with one to four things about it changed."""
    chance = random.Random(seed)
    made = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        within = min(len(made), STRUCTURE) if chance.random() < 0.7 else len(made)
        at = chance.randrange(max(within, 1))
        length = chance.choice((1, 2, 4, 8, 100))
        match chance.randrange(8):
            case 0 if made:
                made[at] ^= 1 << chance.randrange(8)
            case 1:
                made[at : at + length] = bytes(length)
            case 2:
                made[at : at + length] = b"\xff" * length
            case 3:
                del made[at : at + length]
            case 4:
                made[at:at] = chance.randbytes(length)
            case 5:
                other = chance.randrange(max(len(made), 1))
                made[at : at + length] = made[other : other + length]
            case 6:
                del made[at:]
            case _:  # a number that is written out becomes another
                digits = [n for n in range(within) if 0x30 <= made[n] <= 0x39]
                if digits:
                    n = chance.choice(digits)
                    new = chance.choice((b"9", b"99999999", b"0", b"-1", b"1e9", b"null", b"{}"))
                    made[n : n + 1] = new
    return bytes(made)


def changed(name: str, data: bytes, seed: int) -> bytes:
    """Every second time damaged, every second time forged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch, about what is done to its tensors here
        return (damage if seed % 2 else rework)(name, data, seed)


def rework(name: str, data: bytes, seed: int) -> bytes:
    """A file of the same form that says something else: what a forger makes, not a bad disk."""
    chance = random.Random(seed)
    if name.endswith(".json"):
        raw = json.loads(data)
        _change_json(raw, chance)
        return json.dumps(raw).encode()
    if name.endswith(".safetensors"):
        length = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + length])
        network = json.loads(header["__metadata__"]["restora_network"])
        _change_json(chance.choice((header, network)), chance)
        if isinstance(header.get("__metadata__"), dict):
            header["__metadata__"]["restora_network"] = json.dumps(network)
        made = json.dumps(header).encode()
        return len(made).to_bytes(8, "little") + made + data[8 + length :]
    if name.endswith(".onnx"):
        return _change_graph(data, chance)
    return _change_tensors(data, chance)


ODD_VALUES = (
    *(0, -1, 1, 7, 64, 10**6, 10**12, 2**63, 10**30, 1.5, 1e308, True, None, "", "x", "../../x"),
    *("/etc/passwd", "\x1b[2J", [], [1], [[]], {}, {"a": 1}, [4] * 40, "9" * 5000, "clip:a/b"),
)


def _change_json(raw: Any, chance: random.Random) -> None:
    """One to three values anywhere become another, go, or get company."""
    for _ in range(chance.randint(1, 3)):
        at = raw
        while True:
            keys = list(at) if isinstance(at, dict) else list(range(len(at)))
            if not keys:
                break
            key = chance.choice(keys)
            if isinstance(at[key], dict | list) and at[key] and chance.random() < 0.8:
                at = at[key]
                continue
            if chance.random() < 0.15:
                del at[key]
            elif chance.random() < 0.1 and isinstance(at, dict):
                at["surprise"] = at[key]
            else:
                at[key] = chance.choice(ODD_VALUES)
            break


def _change_graph(data: bytes, chance: random.Random) -> bytes:
    """One to three things in a graph are others."""
    import onnx  # noqa: PLC0415

    model = onnx.load_from_string(data)
    graph = model.graph
    for _ in range(chance.randint(1, 3)):
        node = chance.choice(graph.node)
        tensor = chance.choice(graph.initializer)
        match chance.randrange(10):
            case 0:
                node.op_type = chance.choice(("Loop", "If", "Evil", "Reshape", "Concat", "Exp"))
            case 1:
                node.domain = "com.example"
            case 2 if node.input:
                node.input[chance.randrange(len(node.input))] = chance.choice(("", "x", "picture"))
            case 3:
                graph.node.remove(node)
            case 4 if tensor.dims:
                tensor.dims[0] = chance.choice((0, -1, 2**40, 3))
            case 5:
                tensor.data_type = chance.randrange(30)
            case 6:
                tensor.data_location = 1
                tensor.external_data.add(key="location", value="../../../../etc/passwd")
            case 7:
                given = chance.choice([*graph.input, *graph.output])
                given.name = chance.choice(("x", "quality", "picture"))
            case 8 if len(graph.output) > 1:
                graph.output.remove(chance.choice(graph.output))
            case _:
                kinds = [a for n in graph.node for a in n.attribute if a.ints]
                if kinds:
                    attribute = chance.choice(kinds)
                    attribute.ints[0] = chance.choice((0, -1, 5, 2**31, 2**62))
    return bytes(model.SerializeToString())


def _change_tensors(data: bytes, chance: random.Random) -> bytes:
    """One to three tensors of a table are others."""
    import io  # noqa: PLC0415

    import torch  # noqa: PLC0415

    raw = torch.load(io.BytesIO(data), weights_only=True)
    for _ in range(chance.randint(1, 3)):
        table = raw[chance.choice(("network", "average"))] if "network" in raw else raw
        name = chance.choice(sorted(n for n in table if isinstance(table[n], torch.Tensor)))
        old = table[name].detach()
        table[name] = chance.choice(
            (
                *(old[..., :0], old.double(), old.int(), old.half() * torch.nan, old.T, None, 3),
                *(torch.zeros(1).expand(10**9), torch.zeros(()), old.to_sparse(), "text", [old]),
                *(old.to("meta"), torch.complex(old, old), old[None]),
            )
        )
        if chance.random() < 0.2:
            del table[name]
        if "network" in raw and chance.random() < 0.5:
            raw[chance.choice(sorted(raw))] = chance.choice((None, 3, "text", {}, [], {"a": 1}))
            break
    out = io.BytesIO()
    torch.save(raw, out)
    return out.getvalue()


def place(kind: str, sound: Path, folder: Path, seed: int) -> Path:
    """Write a damaged file of a kind, and beside it, sound, what belongs to it."""
    if kind in ("safetensors", "pth", "checkpoint"):
        name = {"checkpoint": "sound.pt"}.get(kind, f"sound.{kind}")
        path = folder / name
        path.write_bytes(changed(name, (sound / name).read_bytes(), seed))
        return path
    parts = ["encoder", "decoder"]
    files = {part: (sound / f"sound.{part}.onnx").read_bytes() for part in parts}
    card = (sound / "sound.json").read_bytes()
    if kind == "card":
        card = changed("sound.json", card, seed)
    else:
        part = parts[seed % 2]
        files[part] = changed("sound.onnx", files[part], seed // 2)
        if kind == "onnx":
            raw = json.loads(card)
            for each, data in files.items():
                told = {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
                raw["files"][each] |= told
            card = json.dumps(raw).encode()
    for part, data in files.items():
        (folder / f"sound.{part}.onnx").write_bytes(data)
    (folder / "sound.json").write_bytes(card)
    return folder / "sound.json"


def judge(use: Callable[[], object]) -> tuple[str, str]:
    """What becomes of a use: ``works``, ``told`` in a sentence, or another's exception."""
    from restora.errors import RestoraError  # noqa: PLC0415

    try:
        use()
    except RestoraError as error:
        text = str(error)
        sentence = text and "\n" not in text and len(text) <= LONGEST_MESSAGE
        return ("told" if sentence else "told at length"), text
    except Exception as error:  # what this looks for
        return "other", f"{type(error).__name__}: {error}"
    return "works", ""


def use_of(kind: str, path: Path, photo: Path) -> Callable[[], object]:
    """What is done with a file: a picture is restored, or a training takes it up."""
    from restora.engine.restorer import Restorer  # noqa: PLC0415
    from restora.engine.wishes import Wishes  # noqa: PLC0415

    if kind == "checkpoint":
        from restora.training.checkpoint import load_checkpoint  # noqa: PLC0415

        return lambda: load_checkpoint(path)
    return lambda: Restorer(threads=1).restore(photo, Wishes(model=str(path)))


def main() -> None:
    import resource  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    kind, sound, first, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            print(json.dumps({"seed": seed}), flush=True)  # should this process die of it
            path = place(kind, sound, Path(folder), seed)
            started = time.monotonic()
            what, text = judge(use_of(kind, path, sound / "photo.jpg"))
            took = time.monotonic() - started
            print(json.dumps({"what": what, "text": text, "seconds": round(took, 2)}), flush=True)


if __name__ == "__main__":
    main()
