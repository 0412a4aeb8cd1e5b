"""Copies the picture of the notebook cell tagged `readme-picture` to book/readme.png, which the README shows."""

from __future__ import annotations

import base64
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURE = ROOT / "book" / "readme.png"


def tagged_picture() -> bytes:
    """Returns the PNG that the one tagged cell stores."""
    pictures = [
        output["data"]["image/png"]
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
        for cell in nbformat.read(path, as_version=4).cells
        if "readme-picture" in cell.metadata.get("tags", [])
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    (picture,) = pictures
    return base64.b64decode(picture)


if __name__ == "__main__":
    PICTURE.write_bytes(tagged_picture())
