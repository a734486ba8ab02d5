"""hard-examples: corrected drawings, and the sets of them that were kept."""

from __future__ import annotations

from argparse import Namespace

from backend.assembly import Backend
from backend.cli.documents import Answer, Document, example_document, table, time_text
from backend.cli.pictures import read_picture
from backend.domain.example_sets import ExampleSet
from backend.domain.serving import Stage
from backend.errors import InvalidInputError


def list_examples(backend: Backend, options: Namespace) -> Answer:
    documents = [example_document(example) for example in backend.examples.list_examples()]
    return documents, table(documents, "No hard examples yet: correct a label on the Draw page."), 0


def add(backend: Backend, options: Namespace) -> Answer:
    """Ask the stage about each picture, and keep it under the label that is given."""
    stage, kept = Stage(options.stage), []
    for path in options.file:
        seen = read_picture(path).pixels
        said = backend.prediction.predict(stage, seen)
        kept.append(backend.prediction.correct(said, options.label, seen, (), actor=backend.actor))
    documents = [example_document(example) for example in kept]
    return documents, table(documents, ""), 0


def remove(backend: Backend, options: Namespace) -> Answer:
    document = example_document(backend.prediction.remove_example(options.id, actor=backend.actor))
    return document, f"{document['id']} removed: it was kept as a {document['label']}", 0


def export(backend: Backend, options: Namespace) -> Answer:
    """Write the file that a training would be handed."""
    _, drawings = backend.labelling.drawings(options.set)
    try:
        options.file.write_bytes(drawings.content)
    except OSError as error:
        raise InvalidInputError(f"'{options.file}' cannot be written: {error.strerror}.") from error
    document = {"file": str(options.file), "examples": drawings.count, "sha256": drawings.sha256}
    return document, f"{drawings.count} examples to {options.file}", 0


def keep(backend: Backend, options: Namespace) -> Answer:
    kept = backend.labelling.keep(options.name, actor=backend.actor, comment=options.comment)
    return _document(kept), f"{kept.name}: {kept.n} drawings, {kept.sha256[:12]}", 0


def list_sets(backend: Backend, options: Namespace) -> Answer:
    documents = [_document(kept) for kept in backend.example_sets.list_sets()]
    rows = [{**document, "sha256": document["sha256"][:12]} for document in documents]
    return documents, table(rows, "No set was kept yet: python -m backend hard-examples keep NAME"), 0


def _document(kept: ExampleSet) -> Document:
    return {
        "name": kept.name,
        "examples": kept.n,
        "sha256": kept.sha256,
        "at": time_text(kept.at),
        "by": kept.by,
        "comment": kept.comment,
    }
