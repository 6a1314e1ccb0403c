"""How the bare contenders of both Tokyo databases spell a record: columns of text."""

import json

from benchmarks.work import Document


def to_texts(document: Document) -> dict[str, str]:
    """Spell a document."""
    return {
        "first_name": document["first_name"],
        "last_name": document["last_name"],
        "age": str(document["age"]),
        "email": document["email"],
        "score": repr(document["score"]),
        "active": "true" if document["active"] else "false",
        "birth_date": document["birth_date"],
        "tags": json.dumps(document["tags"]),
    }


def from_texts(texts: dict[str, str]) -> Document:
    """Read a document."""
    return {
        "first_name": texts["first_name"],
        "last_name": texts["last_name"],
        "age": int(texts["age"]),
        "email": texts["email"],
        "score": float(texts["score"]),
        "active": texts["active"] == "true",
        "birth_date": texts["birth_date"],
        "tags": json.loads(texts["tags"]),
    }
