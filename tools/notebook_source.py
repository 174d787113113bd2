"""What of a notebook is its source: shared by the run that fills it and the gates that check it."""

import hashlib
import json


def source_hash(notebook) -> str:
    """A hash of every cell's type, tags and text, outputs left out."""
    cells = [
        (cell.cell_type, cell.metadata.get("tags", []), cell.source) for cell in notebook.cells
    ]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()
