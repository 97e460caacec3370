"""A page for a hub that runs Gradio; on your own computer ``restora serve`` is better.

    pip install gradio restora && python gradio_app.py

Files go in and come out as files: Gradio's picture components would decode them, and date, place
and colour profile would be lost.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import restora
from restora.errors import RestoraError


def restore_file(path: str, quality: int = 0, strength: int = 100) -> tuple[str, str]:
    """Restore a file; quality 0 finds it by itself.

    Returns:
        Path of the result, a PNG of the same name, and what was done, in words.
    """
    result = restora.restore(path, quality=quality or None, strength=strength)
    target = Path(tempfile.mkdtemp(prefix="restora-")) / f"{Path(path).stem}.png"
    result.save(target)
    return str(target), result.plan.explain()


def main() -> None:
    import gradio as gr  # noqa: PLC0415 - not needed to restore

    def act(path: str | None, quality: float, strength: float) -> tuple[str, str, str]:
        if path is None:
            raise gr.Error("Choose a picture first.")
        try:
            restored, told = restore_file(path, round(quality), round(strength))
        except RestoraError as error:
            raise gr.Error(str(error)) from error
        return restored, restored, told

    with gr.Blocks(title="Restora") as page:
        file = gr.File(label="A picture", type="filepath")
        quality = gr.Slider(0, 100, 0, step=1, label="Saved at quality; 0: find out")
        strength = gr.Slider(0, 100, 100, step=1, label="Strength")
        button = gr.Button("Restore")
        shown = gr.Image(label="To look at", format="png", interactive=False)
        download = gr.File(label="The restored file, all metadata kept")
        told = gr.Markdown()
        button.click(act, [file, quality, strength], [shown, download, told])
    page.launch()


if __name__ == "__main__":
    main()
